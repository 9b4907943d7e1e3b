//! A user, and everything that is written when one registers.

use accrue_chassis::clock::to_millis;
use accrue_events::broker::Message;
use accrue_events::user::{UserEvent, UserEventKind, UserSnapshot, UserStatus};
use secrecy::SecretString;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::idempotency::request_digest;
use super::{Digest, DisplayName, EmailAddress, IdempotencyKey, Posting, Role, Roles, Username};

/// Somebody who signed up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Opaque, at most 50 characters; the store chose it.
    pub user_id: String,
    /// Their address; none once they have been erased.
    pub email: Option<EmailAddress>,
    /// Whether they have shown that the address is theirs.
    pub email_verified: bool,
    /// Their own name for signing in, if they chose one.
    pub username: Option<Username>,
    /// What to call them, if they said so.
    pub display_name: Option<DisplayName>,
    /// What they may do beyond what is their own.
    pub roles: Roles,
    /// Whether they may sign in; `Deleted` is a tombstone without personal data.
    pub status: UserStatus,
    /// Grows when all their sessions end. A session is good only for the epoch that
    /// it began in.
    pub session_epoch: i64,
    /// Grows with every change: max(previous + 1, milliseconds now).
    pub version: i64,
    /// When they signed up, in whole milliseconds, which is what MongoDB keeps.
    pub created_at: OffsetDateTime,
}

impl User {
    /// Whether they are an admin who can act as one.
    #[must_use]
    pub fn is_acting_admin(&self) -> bool {
        self.status == UserStatus::Active && self.roles.contains(Role::Admin)
    }

    /// What other services may know.
    #[must_use]
    pub fn snapshot(&self) -> UserSnapshot {
        UserSnapshot {
            user_id: self.user_id.clone(),
            version: self.version,
            status: self.status,
            email: self.email.as_ref().map(|email| email.as_str().to_owned()),
            email_verified: self.email_verified,
            username: self.username.as_ref().map(|name| name.as_str().to_owned()),
            display_name: self.display_name.as_ref().map(|name| name.as_str().to_owned()),
            registered_at: self.created_at,
        }
    }
}

/// What somebody is registered with.
#[derive(Debug, Clone)]
pub struct Profile {
    /// Their address.
    pub email: EmailAddress,
    /// Whether whoever registers them knows that the address is theirs.
    pub email_verified: bool,
    /// Their own name for signing in.
    pub username: Option<Username>,
    /// What to call them.
    pub display_name: Option<DisplayName>,
    /// What they may do beyond what is their own.
    pub roles: Roles,
}

impl Profile {
    /// An address and nothing more.
    #[must_use]
    pub fn of(email: EmailAddress) -> Self {
        Self { email, email_verified: false, username: None, display_name: None, roles: Roles::none() }
    }

    /// The digest by which a repeated request is known.
    pub(crate) fn request_digest(&self) -> Digest {
        request_digest(self)
    }
}

/// A registration as a store writes it: the user, the event that tells of them,
/// and what is kept for a repeated request, all in one write.
#[derive(Clone)]
pub struct NewUser {
    pub(crate) user: User,
    /// None for whom an admin made without a password: they get one by resetting it.
    pub(crate) password_hash: Option<SecretString>,
    pub(crate) event: Message,
    request: Digest,
    pub(crate) kept: Option<Kept>,
    pub(crate) posting: Option<Posting>,
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
        profile: Profile,
        password_hash: Option<SecretString>,
        now: OffsetDateTime,
        traceparent: Option<String>,
    ) -> Self {
        let created_at = whole_milliseconds(now);
        let request = profile.request_digest();
        let user = User {
            user_id,
            email: Some(profile.email),
            email_verified: profile.email_verified,
            username: profile.username,
            display_name: profile.display_name,
            roles: profile.roles,
            status: UserStatus::Active,
            session_epoch: 0,
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
        Self { user, password_hash, event: event.to_message(traceparent), request, kept: None, posting: None }
    }

    /// Keeps `reply`, to be given again to whoever repeats this request under `key`.
    #[must_use]
    pub fn keep_reply(mut self, key: IdempotencyKey, reply: Vec<u8>) -> Self {
        self.kept = Some(Kept { key: key.digest(), request: self.request, reply });
        self
    }

    /// Sends a mail: it is written with the user.
    #[must_use]
    pub fn post(mut self, posting: Option<Posting>) -> Self {
        self.posting = posting;
        self
    }

    /// The user that this becomes.
    #[must_use]
    pub fn user(&self) -> &User {
        &self.user
    }
}

pub(super) fn whole_milliseconds(at: OffsetDateTime) -> OffsetDateTime {
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
        let profile = Profile {
            display_name: Some(name),
            username: Username::parse("ada.l").ok(),
            ..Profile::of(email)
        };
        let new = NewUser::new("u1".into(), profile, Some(String::from("hash").into()), now, None);
        let Decoded::User(event) = UserEvent::decode(&new.event.body).expect("readable") else {
            panic!("not a user event");
        };
        assert_eq!(event.user, new.user().snapshot());
        assert_eq!(event.user.username.as_deref(), Some("ada.l"));
        assert_eq!(event.user.version, 1_767_323_045_678);
        assert_eq!(event.user.registered_at, datetime!(2026-01-02 03:04:05.678 UTC));
    }
}
