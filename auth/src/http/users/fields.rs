//! The fields of requests about users, checked so that all that is wrong is told at once.

use accrue_chassis::problem::{FieldError, Problem};
use axum::http::HeaderMap;
use serde::{Deserialize, Deserializer};

use crate::domain::{IdempotencyKey, InvalidKey};

/// The field's value, or its error among `errors`. `pointer` names the field.
pub(super) fn required<T, E: std::fmt::Display>(
    errors: &mut Vec<FieldError>,
    pointer: &str,
    text: Option<String>,
    parse: impl FnOnce(String) -> Result<T, E>,
) -> Option<T> {
    if text.is_none() {
        let name = pointer.rsplit('/').next().unwrap_or_default();
        errors.push(FieldError::new(pointer, "required", format!("Give the field `{name}`.")));
    }
    optional(errors, pointer, text, parse)
}

/// The field's value, if it is there; or its error among `errors`.
pub(super) fn optional<T, E: std::fmt::Display>(
    errors: &mut Vec<FieldError>,
    pointer: &str,
    text: Option<String>,
    parse: impl FnOnce(String) -> Result<T, E>,
) -> Option<T> {
    let parsed = parse(text?);
    parsed.map_err(|error| errors.push(FieldError::new(pointer, "invalid_value", error.to_string()))).ok()
}

/// A field of a patch: null takes away what is there, and leaving it out does not. To be
/// used with `#[serde(default)]`.
#[derive(Debug, Default)]
pub(super) enum Patch<T> {
    /// The field was left out.
    #[default]
    Keep,
    /// The field was given; none if it was null.
    Set(Option<T>),
}

impl<T> Patch<T> {
    /// The same with its value, if it has one, made something else.
    pub(super) fn and_then<U>(self, form: impl FnOnce(T) -> Option<U>) -> Patch<U> {
        match self {
            Self::Keep => Patch::Keep,
            Self::Set(value) => Patch::Set(value.and_then(form)),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Patch<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::deserialize(deserializer).map(Self::Set)
    }
}

/// The key that the request carries, if it carries one.
pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, Problem> {
    let mut keys = headers.get_all("idempotency-key").iter();
    match (keys.next(), keys.next()) {
        (None, _) => Ok(None),
        (Some(key), None) => IdempotencyKey::parse(key.as_bytes()).map(Some),
        (Some(_), Some(_)) => Err(InvalidKey),
    }
    .map_err(|error| Problem::bad_request("invalid_idempotency_key", error.to_string()))
}
