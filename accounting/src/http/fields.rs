//! What the fields of several requests may hold. Every wrong one is told at once.

use accrue_chassis::clock::whole_microseconds;
use accrue_chassis::problem::{FieldError, Problem};
use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

use super::Newcomers;
use crate::directory::OnUnknownUser;
use crate::ledger::{CREDITS_LIMIT, MAX_HOLD_S};

/// The longest reason, in characters.
const MAX_REASON_CHARS: usize = 500;
/// The longest name of a resource, in characters.
pub(super) const MAX_RESOURCE_CHARS: usize = 100;

/// Collects what is wrong with a request.
#[derive(Default)]
pub(super) struct Fields {
    errors: Vec<FieldError>,
    /// The JSON pointer of what the fields are in; empty for the whole body.
    place: String,
}

impl Fields {
    /// Nothing is wrong yet.
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// The same, of fields in what `place` points to.
    pub(super) fn within(mut self, place: String) -> Self {
        self.place = place;
        self
    }

    /// Adds `error` unless `is_fine`.
    pub(super) fn require(mut self, is_fine: bool, error: impl FnOnce() -> FieldError) -> Self {
        if !is_fine {
            let error = error();
            self.errors.push(FieldError { pointer: format!("{}{}", self.place, error.pointer), ..error });
        }
        self
    }

    /// Credits: 1 to 2^53 - 1.
    pub(super) fn credits(self, credits: i64) -> Self {
        self.require((1..CREDITS_LIMIT).contains(&credits), credits_out_of_range)
    }

    /// Why.
    pub(super) fn reason(self, reason: Option<&String>) -> Self {
        self.require(reason.is_none_or(|reason| reason.chars().count() <= MAX_REASON_CHARS), || {
            let detail = format!("reason must not be longer than {MAX_REASON_CHARS} characters.");
            FieldError::new("/reason", "too_long", detail)
        })
    }

    /// What for.
    pub(super) fn resource(self, resource: Option<&String>) -> Self {
        let is_fine = |resource: &String| (1..=MAX_RESOURCE_CHARS).contains(&resource.chars().count());
        self.require(resource.is_none_or(is_fine), || {
            let detail = format!("resource must have 1 to {MAX_RESOURCE_CHARS} characters.");
            FieldError::new("/resource", "out_of_range", detail)
        })
    }

    /// For how many seconds something is held.
    pub(super) fn expires_in(self, seconds: i64) -> Self {
        self.require((1..=MAX_HOLD_S).contains(&seconds), hold_out_of_range)
    }

    /// A point in time, as it is kept.
    pub(super) fn instant(self, pointer: &str, at: Option<OffsetDateTime>) -> Self {
        self.require(at.is_none_or(|at| utc(at).is_some()), || {
            FieldError::new(pointer, "out_of_range", "The time is out of range.")
        })
    }

    /// What is to be done about a user who has no account.
    pub(super) fn unknown_user(self, wanted: Option<OnUnknownUser>, newcomers: &Newcomers) -> Self {
        self.require(newcomers.can(wanted), || {
            let detail = "on_unknown_user cannot be verify here: this accounting has no client to ask auth as \
                          (ACCOUNTING_CLIENT_ID). Send placeholder or reject.";
            FieldError::new("/on_unknown_user", "not_available", detail)
        })
    }

    /// Ends in what was `parsed`, or in all that is wrong with it and the rest.
    pub(super) fn finish_with<T>(self, parsed: Result<T, Vec<FieldError>>) -> Result<T, Problem> {
        match parsed {
            Ok(value) => self.finish().map(|()| value),
            Err(wrong) => Err(Problem::invalid(wrong.into_iter().chain(self.errors).collect())),
        }
    }

    /// Tells of the first `count` only.
    pub(super) fn at_most(mut self, count: usize) -> Self {
        self.errors.truncate(count);
        self
    }

    /// Ends in what is wrong, if anything is.
    pub(super) fn finish(self) -> Result<(), Problem> {
        if self.errors.is_empty() { Ok(()) } else { Err(Problem::invalid(self.errors)) }
    }
}

/// A time as it is kept: UTC, in whole microseconds; none if it cannot be.
pub(super) fn utc(at: OffsetDateTime) -> Option<OffsetDateTime> {
    let at = at.checked_to_offset(UtcOffset::UTC)?;
    (0..=9999).contains(&at.year()).then(|| whole_microseconds(at))
}

/// A point in time in the query, as it is kept.
pub(super) fn parse_time(name: &str, text: &str) -> Result<OffsetDateTime, Problem> {
    OffsetDateTime::parse(text, &Rfc3339).ok().and_then(utc).ok_or_else(|| {
        let detail = format!("{name} must be a time in RFC 3339, such as 2026-01-31T12:00:00Z.");
        Problem::invalid(vec![FieldError::new("", "invalid_time", detail)])
    })
}

/// What is wrong with an amount that is not 1 to 2^53 - 1.
pub(super) fn credits_out_of_range() -> FieldError {
    let detail = "credits must be a whole number from 1 to 9007199254740991.";
    FieldError::new("/credits", "out_of_range", detail)
}

/// What is wrong with a priority that is not 0 to 100.
pub(super) fn priority_out_of_range() -> FieldError {
    FieldError::new("/priority", "out_of_range", "priority must be a whole number from 0 to 100.")
}

/// What is wrong with an end that comes no later than the beginning.
pub(super) fn end_before_beginning() -> FieldError {
    let detail = "The allocation would end before it begins: expires_at must be after effective_at.";
    FieldError::new("/expires_at", "before_effective_at", detail)
}

/// What is wrong with a time to hold that is not 1 second to 30 days.
pub(super) fn hold_out_of_range() -> FieldError {
    let detail = format!("expires_in must be from 1 to {MAX_HOLD_S} seconds, which is 30 days.");
    FieldError::new("/expires_in", "out_of_range", detail)
}
