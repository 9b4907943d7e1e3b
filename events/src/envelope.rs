//! The CloudEvents 1.0 envelope, structured JSON.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

/// The content type of an event on the wire.
pub const CONTENT_TYPE: &str = "application/cloudevents+json";
/// The `source` of events that auth publishes.
pub const AUTH_SOURCE: &str = "accrue/auth";
/// The `source` of events that accounting publishes.
pub const ACCOUNTING_SOURCE: &str = "accrue/accounting";

/// An event as CloudEvents 1.0 wraps it. Attributes that are not listed here are
/// ignored when read, as the specification asks of consumers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope<T> {
    /// The version of CloudEvents: `1.0`.
    pub specversion: String,
    /// The event's own id; every delivery of it carries the same.
    pub id: Uuid,
    /// Who says so.
    pub source: String,
    /// What happened, with the major version of `data`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whom it happened to: a user id.
    pub subject: String,
    /// When it happened, by the producer's clock.
    #[serde(with = "time::serde::rfc3339")]
    pub time: OffsetDateTime,
    /// The form of `data`.
    #[serde(default = "json")]
    pub datacontenttype: String,
    /// The payload.
    pub data: T,
}

fn json() -> String {
    "application/json".to_owned()
}

impl<T> Envelope<T> {
    /// Wraps `data`, which `source` tells of `subject`.
    pub fn new(
        (source, subject): (&str, String),
        id: Uuid,
        kind: String,
        time: OffsetDateTime,
        data: T,
    ) -> Self {
        Self {
            specversion: "1.0".to_owned(),
            id,
            source: source.to_owned(),
            kind,
            subject,
            time,
            datacontenttype: json(),
            data,
        }
    }
}
