//! What happens to users: five events, each a whole snapshot of the user.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::broker::Message;
use crate::envelope::{AUTH_SOURCE, CONTENT_TYPE, Envelope};

/// The major version of the payloads that this code writes and reads.
const MAJOR: &str = "v1";
/// How the types of all user events begin.
const PREFIX: &str = "accrue.user.";

/// Which change led to the event. The snapshot alone decides what a consumer
/// does; the kind is for people and for routing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UserEventKind {
    /// Somebody signed up.
    Registered,
    /// Profile, address or verification changed.
    Updated,
    /// An operator shut the user out.
    Deactivated,
    /// An operator let the user in again.
    Reactivated,
    /// The user is gone; a tombstone without personal data.
    Deleted,
}

impl UserEventKind {
    const ALL: [Self; 5] =
        [Self::Registered, Self::Updated, Self::Deactivated, Self::Reactivated, Self::Deleted];

    /// The word of this kind in types and routing keys.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::Updated => "updated",
            Self::Deactivated => "deactivated",
            Self::Reactivated => "reactivated",
            Self::Deleted => "deleted",
        }
    }

    /// The routing key, such as `user.registered`.
    #[must_use]
    pub fn routing_key(self) -> String {
        format!("user.{}", self.word())
    }

    fn event_type(self) -> String {
        format!("{PREFIX}{}.{MAJOR}", self.word())
    }
}

/// Whether a user may sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum UserStatus {
    /// May sign in.
    Active,
    /// Shut out by an operator.
    Deactivated,
    /// Gone. The snapshot is a tombstone.
    Deleted,
}

/// The whole state of a user as other services may know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UserSnapshot {
    /// Opaque, at most 50 characters.
    pub user_id: String,
    /// Grows with every change of this user: max(previous + 1, milliseconds now).
    /// Of two snapshots the one with the greater version is the newer.
    pub version: i64,
    /// Whether the user may sign in.
    #[schema(inline)]
    pub status: UserStatus,
    /// The address, lower case; none in a tombstone.
    #[serde(default)]
    pub email: Option<String>,
    /// Whether the user has shown that the address is theirs.
    #[serde(default)]
    pub email_verified: bool,
    /// The user's own name for signing in, if there is one.
    #[serde(default)]
    pub username: Option<String>,
    /// What to call the user, if they said so.
    #[serde(default)]
    pub display_name: Option<String>,
    /// When the user registered, by auth's clock.
    #[serde(with = "time::serde::rfc3339")]
    pub registered_at: OffsetDateTime,
}

/// Something that happened to a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserEvent {
    /// The event's own id.
    pub id: Uuid,
    /// What happened.
    pub kind: UserEventKind,
    /// When it happened, by auth's clock.
    pub occurred_at: OffsetDateTime,
    /// The user after it.
    pub user: UserSnapshot,
}

/// What a message turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decoded {
    /// A user event.
    User(Box<UserEvent>),
    /// An event of a type that this release does not know. To be acked and
    /// counted: it is not for us.
    UnknownType(String),
}

/// Why a message is not an event that can be applied.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// It will never be readable: poison.
    #[error("the message is not an event: {0}")]
    Malformed(String),
    /// Its payload has a major version that this release does not know; a newer
    /// release of the consumer probably does.
    #[error("the event type {0} has a major version that this release cannot read")]
    UnknownMajor(String),
}

impl UserEvent {
    /// The event as a message for the broker. `traceparent` names the request that
    /// led to it.
    ///
    /// # Panics
    /// Never: strings, numbers and times of four-digit years always serialise.
    #[must_use]
    pub fn to_message(&self, traceparent: Option<String>) -> Message {
        let envelope = Envelope::new(
            (AUTH_SOURCE, self.user.user_id.clone()),
            self.id,
            self.kind.event_type(),
            self.occurred_at,
            &self.user,
        );
        Message {
            id: self.id,
            routing_key: self.kind.routing_key(),
            content_type: CONTENT_TYPE.to_owned(),
            body: serde_json::to_vec(&envelope).expect("an event of plain values serialises"),
            traceparent,
        }
    }

    /// Reads an event from a message's body.
    ///
    /// # Errors
    /// [`DecodeError`]; its text names no content of the message.
    pub fn decode(body: &[u8]) -> Result<Decoded, DecodeError> {
        let malformed = |what: &str| DecodeError::Malformed(what.to_owned());
        let no_envelope = |error: serde_json::Error| {
            DecodeError::Malformed(format!("no CloudEvents envelope: {}", category(&error)))
        };
        // The type first: an event that is not for us may be of any form that CloudEvents allows.
        let head: Head = serde_json::from_slice(body).map_err(no_envelope)?;
        if head.specversion != "1.0" {
            return Err(malformed("its specversion is not 1.0"));
        }
        let Some((word, major)) = head.kind.strip_prefix(PREFIX).and_then(|rest| rest.split_once('.')) else {
            return Ok(Decoded::UnknownType(shortened(&head.kind)));
        };
        let Some(kind) = UserEventKind::ALL.into_iter().find(|kind| kind.word() == word) else {
            return Ok(Decoded::UnknownType(shortened(&head.kind)));
        };
        if major != MAJOR {
            return Err(DecodeError::UnknownMajor(shortened(&head.kind)));
        }
        let envelope: Envelope<&RawValue> = serde_json::from_slice(body).map_err(no_envelope)?;
        let user: UserSnapshot = serde_json::from_str(envelope.data.get()).map_err(|error| {
            DecodeError::Malformed(format!("its data is no user snapshot: {}", category(&error)))
        })?;
        user.check(&envelope.subject, kind).map_err(malformed)?;
        let event = Self { id: envelope.id, kind, occurred_at: envelope.time, user };
        Ok(Decoded::User(Box::new(event)))
    }
}

/// What tells whether an event is for us.
#[derive(Deserialize)]
struct Head {
    specversion: String,
    #[serde(rename = "type")]
    kind: String,
}

/// The beginning of a type, for logs: who sends it may send one of any length.
fn shortened(kind: &str) -> String {
    kind.chars().take(100).collect()
}

/// The longest user id, in characters.
pub const MAX_USER_ID_CHARS: usize = 50;
/// Versions of auth's are below this, so that every JSON reader keeps them whole. Another publisher's
/// may not be, and count all the same.
pub const VERSION_LIMIT: i64 = 1 << 53;
/// The longest address or name that a snapshot may carry, in characters.
const MAX_TEXT_CHARS: usize = 320;

impl UserSnapshot {
    /// What no store of a consumer could keep is refused here, before it gets there.
    fn check(&self, subject: &str, kind: UserEventKind) -> Result<(), &'static str> {
        if self.user_id != subject {
            return Err("its subject is not the user of its data");
        }
        if !is_valid_user_id(&self.user_id) {
            return Err("its user id is empty, . or .., over 50 characters, or holds a control character");
        }
        if self.version < 0 {
            return Err("its version is negative");
        }
        if (kind == UserEventKind::Deleted) != (self.status == UserStatus::Deleted) {
            return Err("its kind and the status in its data disagree about deletion");
        }
        let texts = [&self.email, &self.username, &self.display_name];
        if texts
            .into_iter()
            .flatten()
            .any(|text| text.contains('\0') || text.chars().count() > MAX_TEXT_CHARS)
        {
            return Err("a text in its data is too long or holds a NUL character");
        }
        Ok(())
    }
}

/// Whether `text` may be a user id: 1 to 50 characters, no control characters, and neither `.`
/// nor `..`, which no URL can name (RFC 3986, 5.2.4).
#[must_use]
pub fn is_valid_user_id(text: &str) -> bool {
    let chars = text.chars().count();
    let is_nameable = !matches!(text, "." | "..");
    (1..=MAX_USER_ID_CHARS).contains(&chars) && is_nameable && !text.chars().any(char::is_control)
}

/// What kind of fault serde met and where, without the text it met it in, which
/// may be an address.
fn category(error: &serde_json::Error) -> String {
    format!("{:?} error at line {} column {}", error.classify(), error.line(), error.column())
}

/// The types of all events on users.
#[cfg(test)]
pub(crate) fn types() -> Vec<String> {
    UserEventKind::ALL.into_iter().map(UserEventKind::event_type).collect()
}

/// An event as auth would publish it.
#[cfg(test)]
pub(crate) fn example() -> UserEvent {
    tests::event()
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    pub(super) fn event() -> UserEvent {
        UserEvent {
            id: Uuid::from_u128(7),
            kind: UserEventKind::Registered,
            occurred_at: datetime!(2026-01-02 03:04:05.678901 UTC),
            user: UserSnapshot {
                user_id: "u1".to_owned(),
                version: 5,
                status: UserStatus::Active,
                email: Some("ada@example.com".to_owned()),
                email_verified: false,
                username: None,
                display_name: Some("Ada".to_owned()),
                registered_at: datetime!(2026-01-02 03:04:05.678901 UTC),
            },
        }
    }

    fn changed(change: impl FnOnce(&mut serde_json::Value)) -> Result<Decoded, DecodeError> {
        let message = event().to_message(None);
        let mut value = serde_json::from_slice(&message.body).expect("JSON");
        change(&mut value);
        UserEvent::decode(value.to_string().as_bytes())
    }

    #[test]
    fn round_trips() {
        let message = event().to_message(None);
        assert_eq!(message.routing_key, "user.registered");
        assert_eq!(UserEvent::decode(&message.body).expect("readable"), Decoded::User(Box::new(event())));
    }

    #[test]
    fn ignores_what_it_does_not_know() {
        let decoded = changed(|value| {
            value["partitionkey"] = "x".into();
            value["data"]["shoe_size"] = 43.into();
        });
        assert_eq!(decoded.expect("readable"), Decoded::User(Box::new(event())));
    }

    #[test]
    fn tells_poison_from_a_newer_producer() {
        assert!(matches!(UserEvent::decode(b"not json"), Err(DecodeError::Malformed(_))));
        assert!(matches!(UserEvent::decode(b"{}"), Err(DecodeError::Malformed(_))));
        assert!(matches!(UserEvent::decode(&[0xff, 0xfe]), Err(DecodeError::Malformed(_))));
        assert!(matches!(changed(|v| v["subject"] = "u2".into()), Err(DecodeError::Malformed(_))));
        assert!(matches!(
            changed(|v| v["data"]["user_id"] = "u".repeat(51).into()),
            Err(DecodeError::Malformed(_))
        ));
        assert!(matches!(
            changed(|v| v["data"]["display_name"] = "a\0".into()),
            Err(DecodeError::Malformed(_))
        ));
        assert!(matches!(changed(|v| v["data"]["version"] = "5".into()), Err(DecodeError::Malformed(_))));
        for (version, is_readable) in [(-1, false), (0, true), (i64::MAX, true)] {
            let decoded = changed(|v| v["data"]["version"] = version.into());
            assert_eq!(decoded.is_ok(), is_readable, "version {version}");
        }
        assert!(matches!(
            changed(|v| v["type"] = "accrue.user.registered.v2".into()),
            Err(DecodeError::UnknownMajor(_))
        ));
        assert!(matches!(
            changed(|v| v["type"] = "accrue.user.sneezed.v1".into()),
            Ok(Decoded::UnknownType(_))
        ));
    }

    #[test]
    fn an_event_that_is_not_for_us_may_be_of_any_form() {
        let foreign = br#"{"specversion":"1.0","id":"order-7","source":"/shop","type":"com.shop.order.v1"}"#;
        assert!(
            matches!(UserEvent::decode(foreign), Ok(Decoded::UnknownType(kind)) if kind == "com.shop.order.v1")
        );
    }

    #[test]
    fn a_decode_error_names_no_content() {
        let told =
            changed(|v| v["data"]["version"] = "ada@example.com".into()).expect_err("poison").to_string();
        assert!(!told.contains("ada"), "{told}");
    }
}
