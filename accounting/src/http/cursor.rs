//! Pages: `?limit=&cursor=`, and what a cursor holds.

use accrue_chassis::clock;
use accrue_chassis::problem::{FieldError, Problem};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use time::{Date, OffsetDateTime};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::store::{AccountPosition, Days, UsagePosition};

const DEFAULT_LIMIT: u32 = 50;
const MAX_LIMIT: u32 = 200;

/// One page of a collection.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Page<T> {
    /// The items.
    data: Vec<T>,
    /// To be sent back as `cursor` for the page after; none on the last one.
    next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// A page of `limit` out of up to `limit + 1` items that were read.
    pub(super) fn cut(mut items: Vec<T>, limit: u32, cursor: impl Fn(&T) -> String) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let has_more = items.len() > limit;
        items.truncate(limit);
        let next_cursor = items.last().filter(|_| has_more).map(cursor);
        Self { data: items, next_cursor }
    }

    /// The items, and where the next page begins.
    pub(super) fn into_parts(self) -> (Vec<T>, Option<String>) {
        (self.data, self.next_cursor)
    }

    /// The same page in the form that callers see.
    pub(super) fn map<U>(self, form: impl Fn(T) -> U) -> Page<U> {
        Page { data: self.data.into_iter().map(form).collect(), next_cursor: self.next_cursor }
    }
}

/// Which page of a collection, whose items are known by their ids.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct PageParams {
    /// How many at most.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

impl PageParams {
    /// How many items, and those before which.
    pub(super) fn check(&self) -> Result<(u32, Option<Uuid>), Problem> {
        Ok((checked_limit(self.limit)?, self.cursor.as_deref().map(parse_id).transpose()?))
    }
}

/// How many items a page is to hold.
pub(super) fn checked_limit(limit: Option<u32>) -> Result<u32, Problem> {
    let limit = limit.unwrap_or(DEFAULT_LIMIT);
    if (1..=MAX_LIMIT).contains(&limit) {
        return Ok(limit);
    }
    let detail = format!("limit must be from 1 to {MAX_LIMIT}.");
    Err(Problem::invalid(vec![FieldError::new("", "invalid_limit", detail)]))
}

fn invalid_cursor() -> Problem {
    let detail = "The cursor is not one that this collection gave. Leave it out to begin at the first page.";
    Problem::invalid(vec![FieldError::new("", "invalid_cursor", detail)])
}

fn decode(cursor: &str) -> Result<String, Problem> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| invalid_cursor())?;
    String::from_utf8(bytes).map_err(|_| invalid_cursor())
}

/// The cursor after an entry.
pub(super) fn after_seq(seq: i64) -> String {
    URL_SAFE_NO_PAD.encode(seq.to_string())
}

/// The `seq` in a cursor.
pub(super) fn parse_seq(cursor: &str) -> Result<i64, Problem> {
    decode(cursor)?.parse().map_err(|_| invalid_cursor())
}

/// The cursor after what has this name.
pub(super) fn after_name(name: &str) -> String {
    URL_SAFE_NO_PAD.encode(name)
}

/// The name in a cursor.
pub(super) fn parse_name(cursor: &str) -> Result<String, Problem> {
    decode(cursor).ok().filter(|name| !name.contains('\0')).ok_or_else(invalid_cursor)
}

/// The cursor after what has this id.
pub(super) fn after_id(id: Uuid) -> String {
    URL_SAFE_NO_PAD.encode(id.as_bytes())
}

fn parse_id(cursor: &str) -> Result<Uuid, Problem> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| invalid_cursor())?;
    Uuid::from_slice(&bytes).map_err(|_| invalid_cursor())
}

/// The cursor after an account.
pub(super) fn after_account(position: &AccountPosition) -> String {
    URL_SAFE_NO_PAD.encode(format!("{}:{}", clock::to_micros(position.created_at), position.user_id))
}

/// The position in a cursor.
pub(super) fn parse_account(cursor: &str) -> Result<AccountPosition, Problem> {
    let text = decode(cursor)?;
    let (micros, user_id) = text.split_once(':').ok_or_else(invalid_cursor)?;
    let micros: i64 = micros.parse().map_err(|_| invalid_cursor())?;
    // Nothing of ours is older than 1970, and no database keeps what is out of range.
    let created_at = clock::from_micros(micros).filter(|_| micros >= 0).ok_or_else(invalid_cursor)?;
    if user_id.contains('\0') {
        return Err(invalid_cursor());
    }
    Ok(AccountPosition { created_at, user_id: user_id.to_owned() })
}

/// The cursor after an allocation as it was at an instant.
pub(super) fn after_instant(at: OffsetDateTime, id: Uuid) -> String {
    URL_SAFE_NO_PAD.encode(format!("{}:{id}", clock::to_micros(at)))
}

/// The instant and the allocation in a cursor.
pub(super) fn parse_instant(cursor: &str) -> Result<(OffsetDateTime, Uuid), Problem> {
    let text = decode(cursor)?;
    let (micros, id) = text.split_once(':').ok_or_else(invalid_cursor)?;
    let micros: i64 = micros.parse().map_err(|_| invalid_cursor())?;
    let at = clock::from_micros(micros).filter(|at| at.year() >= 0).ok_or_else(invalid_cursor)?;
    Ok((at, Uuid::parse_str(id).map_err(|_| invalid_cursor())?))
}

/// The cursor after a sum of usage of these days: which they are where nobody asks for any
/// hangs on the day.
pub(super) fn after_usage_sum(position: &UsagePosition, days: Days) -> String {
    let UsagePosition { begin, user_id, resource } = position;
    let (since, until) = (days.since.to_julian_day(), days.until.to_julian_day());
    let parts = serde_json::json!([begin.to_julian_day(), user_id, resource, since, until]);
    URL_SAFE_NO_PAD.encode(parts.to_string())
}

/// The position in a cursor, and the days.
pub(super) fn parse_usage_sum(cursor: &str) -> Result<(UsagePosition, Days), Problem> {
    let parts: (i32, String, Option<String>, i32, i32) =
        serde_json::from_str(&decode(cursor)?).map_err(|_| invalid_cursor())?;
    let (day, user_id, resource, since, until) = parts;
    let date = |day| Date::from_julian_day(day).ok().filter(|day| day.year() >= 0).ok_or_else(invalid_cursor);
    let (begin, days) = (date(day)?, Days { since: date(since)?, until: date(until)? });
    if [Some(&user_id), resource.as_ref()].into_iter().flatten().any(|text| text.contains('\0')) {
        return Err(invalid_cursor());
    }
    Ok((UsagePosition { begin, user_id, resource }, days))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_round_trip_and_rubbish_is_refused() {
        assert_eq!(parse_seq(&after_seq(42)).expect("ours"), 42);
        let id = Uuid::now_v7();
        assert_eq!(parse_id(&after_id(id)).expect("ours"), id);
        assert!(parse_id(&after_seq(1)).is_err());
        assert_eq!(parse_name(&after_name("chat/é")).expect("ours"), "chat/é");
        assert!(parse_name("!").is_err() && parse_name(&after_name("a\0b")).is_err());
        let position = AccountPosition {
            created_at: time::macros::datetime!(2026-01-02 3:04:05.678901 UTC),
            user_id: "a:b".into(),
        };
        assert_eq!(parse_account(&after_account(&position)).expect("ours"), position);
        let at = time::macros::datetime!(2026-01-02 3:04:05.678901 UTC);
        assert_eq!(parse_instant(&after_instant(at, id)).expect("ours"), (at, id));
        for resource in [None, Some("a:\"b".to_owned())] {
            let sum = UsagePosition { begin: at.date(), user_id: "ada".into(), resource };
            let days = Days { since: at.date(), until: at.date().next_day().expect("a day") };
            assert_eq!(parse_usage_sum(&after_usage_sum(&sum, days)).expect("ours"), (sum, days));
        }
        for rubbish in ["", "AAAA", &after_seq(1), &after_id(id)] {
            assert!(parse_instant(rubbish).is_err() && parse_usage_sum(rubbish).is_err(), "{rubbish}");
        }
        for rubbish in [
            r#"[2461043,"a\u0000",null,2461043,2461044]"#,
            r#"[-9999999,"a",null,2461043,2461044]"#,
            r#"[2461043,"a",null,-9999999,2461044]"#,
            r#"[2461043,"a",null]"#,
        ] {
            assert!(parse_usage_sum(&URL_SAFE_NO_PAD.encode(rubbish)).is_err(), "{rubbish}");
        }
        for rubbish in [
            "",
            "!",
            "AAAA",
            &after_seq(1),
            &URL_SAFE_NO_PAD.encode("99999999999999999999:u"),
            &URL_SAFE_NO_PAD.encode("-300000000000000000:u"),
        ] {
            assert!(parse_account(rubbish).is_err(), "{rubbish}");
        }
    }

    #[test]
    fn a_page_points_on_only_while_there_is_more() {
        let page = Page::cut(vec![3, 2, 1], 2, |seq| after_seq(*seq));
        assert_eq!((page.data, page.next_cursor), (vec![3, 2], Some(after_seq(2))));
        assert_eq!(Page::cut(vec![1], 2, |seq| after_seq(*seq)).next_cursor, None);
    }
}
