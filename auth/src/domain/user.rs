//! A user, and everything that is written when one registers.

use accrue_chassis::clock::to_millis;
use accrue_events::broker::Message;
use accrue_events::user::{UserEvent, UserEventKind, UserSnapshot, UserStatus};
use secrecy::SecretString;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::idempotency::request_digest;
use super::{Digest, DisplayName, EmailAddress, IdempotencyKey};

/// Somebody who signed up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Opaque, at most 50 characters; the store chose it.
    pub user_id: String,
    /// The address they signed up with.
    pub email: EmailAddress,
    /// Whether they have shown that the address is theirs.
    pub email_verified: bool,
    /// What to call them, if they said so.
    pub display_name: Option<DisplayName>,
    /// Whether they may sign in.
    pub status: UserStatus,
    /// Grows with every change: max(previous + 1, milliseconds now).
    pub version: i64,
    /// When they signed up, in whole milliseconds, which is what MongoDB keeps.
    pub created_at: OffsetDateTime,
}

impl User {
    /// What other services may know.
    #[must_use]
    pub fn snapshot(&self) -> UserSnapshot {
        UserSnapshot {
            user_id: self.user_id.clone(),
            version: self.version,
            status: self.status,
            email: Some(self.email.as_str().to_owned()),
            email_verified: self.email_verified,
            username: None,
            display_name: self.display_name.as_ref().map(|name| name.as_str().to_owned()),
            registered_at: self.created_at,
        }
    }
}

/// A registration as a store writes it: the user, the event that tells of them,
/// and what is kept for a repeated request, all in one write.
#[derive(Clone)]
pub struct NewUser {
    pub(crate) user: User,
    pub(crate) password_hash: SecretString,
    pub(crate) event: Message,
    pub(crate) kept: Option<Kept>,
}

/// The part of a new user that answers a repeated request.
#[derive(Clone)]
pub(crate) struct Kept {
    pub(crate) key: Digest,
    pub(crate) request: Digest,
    pub(crate) reply: Vec<u8>,
}

impl NewUser {
    /// A user who registers `now`. `traceparent` names the request that led to it.
    #[must_use]
    pub fn new(
        user_id: String,
        (email, display_name): (EmailAddress, Option<DisplayName>),
        password_hash: SecretString,
        now: OffsetDateTime,
        traceparent: Option<String>,
    ) -> Self {
        let created_at = whole_milliseconds(now);
        let user = User {
            user_id,
            email,
            email_verified: false,
            display_name,
            status: UserStatus::Active,
            // There is no previous version; whoever changes the user counts on from here.
            version: to_millis(now),
            created_at,
        };
        let event = UserEvent {
            id: Uuid::now_v7(),
            kind: UserEventKind::Registered,
            occurred_at: created_at,
            user: user.snapshot(),
        };
        Self { user, password_hash, event: event.to_message(traceparent), kept: None }
    }

    /// Keeps `reply`, to be given again to whoever repeats this request under `key`.
    #[must_use]
    pub fn keep_reply(mut self, key: IdempotencyKey, reply: Vec<u8>) -> Self {
        let request = request_digest(&self.user.email, self.user.display_name.as_ref());
        self.kept = Some(Kept { key: key.digest(), request, reply });
        self
    }

    /// The user that this becomes.
    #[must_use]
    pub fn user(&self) -> &User {
        &self.user
    }
}

fn whole_milliseconds(at: OffsetDateTime) -> OffsetDateTime {
    at - Duration::nanoseconds(i64::from(at.nanosecond() % 1_000_000))
}

#[cfg(test)]
mod tests {
    use accrue_events::user::Decoded;
    use time::macros::datetime;

    use super::*;

    #[test]
    fn the_event_tells_the_whole_user() {
        let email = EmailAddress::parse("ada@example.com").expect("an address");
        let name = DisplayName::parse("Ada").expect("a name");
        let now = datetime!(2026-01-02 03:04:05.678901 UTC);
        let new = NewUser::new("u1".into(), (email, Some(name)), String::from("hash").into(), now, None);
        let Decoded::User(event) = UserEvent::decode(&new.event.body).expect("readable") else {
            panic!("not a user event");
        };
        assert_eq!(event.user, new.user().snapshot());
        assert_eq!(event.user.version, 1_767_323_045_678);
        assert_eq!(event.user.registered_at, datetime!(2026-01-02 03:04:05.678 UTC));
    }
}
