//! A change of a user, with the event that tells of it: what a store writes as one.

use accrue_chassis::clock::to_millis;
use accrue_events::broker::Message;
use accrue_events::user::{UserEvent, UserEventKind, UserStatus};
use secrecy::SecretString;
use time::OffsetDateTime;
use uuid::Uuid;

use super::user::whole_milliseconds;
use super::{Digest, DisplayName, EmailAddress, Posting, Roles, TicketKind, User, Username};

/// A change that is being put together, on top of the user as they were read.
#[derive(Debug, Clone)]
pub struct Edit {
    before: User,
    after: User,
    kind: UserEventKind,
    password_hash: Option<SecretString>,
    ticket: Option<(TicketKind, Digest)>,
    posting: Option<Posting>,
    /// What the version is to be above.
    above: i64,
}

/// A change as a store writes it, if the user is still at the version that it was
/// made for.
#[derive(Debug, Clone)]
pub struct UserChange {
    pub(crate) expected_version: i64,
    /// The user afterwards.
    pub(crate) user: User,
    /// A new hash, if the password changes. What was kept of the registration could
    /// be compared with the old password only, and goes.
    pub(crate) password_hash: Option<SecretString>,
    pub(crate) event: Message,
    pub(crate) changed_at: OffsetDateTime,
    /// The ticket that this change uses up. Without it nothing is written.
    pub(crate) ticket: Option<(TicketKind, Digest)>,
    /// A mail that goes out with the change.
    pub(crate) posting: Option<Posting>,
    /// Whether the address is another one: mail and tickets for the old one go.
    pub(crate) email_changes: bool,
    /// Whether an admin who could act cannot afterwards. It is not written unless
    /// another one still can.
    pub(crate) unseats_admin: bool,
    /// Whether the address counts as verified from now on.
    verifies: bool,
}

impl Edit {
    /// Changes `user`.
    #[must_use]
    pub fn of(user: &User) -> Self {
        Self {
            before: user.clone(),
            after: user.clone(),
            kind: UserEventKind::Updated,
            password_hash: None,
            ticket: None,
            posting: None,
            above: user.version,
        }
    }

    /// Nothing but a version above this one.
    #[must_use]
    pub fn above(mut self, version: i64) -> Self {
        self.above = self.above.max(version);
        self
    }

    /// Another address, which nobody has verified yet.
    #[must_use]
    pub fn email(mut self, email: EmailAddress) -> Self {
        if self.after.email.as_ref() != Some(&email) {
            self.after.email = Some(email);
            self.after.email_verified = false;
        }
        self
    }

    /// The user has shown that the address is theirs.
    #[must_use]
    pub fn verify_email(mut self) -> Self {
        self.after.email_verified = true;
        self
    }

    /// Uses up the ticket of this digest: the change is written only while the user
    /// holds it, and once.
    #[must_use]
    pub fn use_ticket(mut self, kind: TicketKind, digest: Digest) -> Self {
        self.ticket = Some((kind, digest));
        self
    }

    /// Sends a mail: it is written with the change.
    #[must_use]
    pub fn post(mut self, posting: Option<Posting>) -> Self {
        self.posting = posting;
        self
    }

    /// The user as they will be, but for the version.
    #[must_use]
    pub fn after(&self) -> &User {
        &self.after
    }

    /// Another username, or none.
    #[must_use]
    pub fn username(mut self, username: Option<Username>) -> Self {
        self.after.username = username;
        self
    }

    /// Another name, or none.
    #[must_use]
    pub fn display_name(mut self, name: Option<DisplayName>) -> Self {
        self.after.display_name = name;
        self
    }

    /// Other roles. Tokens that allow more than they do are not renewed.
    #[must_use]
    pub fn roles(mut self, roles: Roles) -> Self {
        self.after.roles = roles;
        self
    }

    /// Another password. Every session of before ends.
    #[must_use]
    pub fn password(mut self, hash: SecretString) -> Self {
        self.password_hash = Some(hash);
        self.end_sessions()
    }

    /// Ends every session: each is good only for the epoch that it began in.
    #[must_use]
    pub fn end_sessions(mut self) -> Self {
        self.after.session_epoch = self.before.session_epoch + 1;
        self
    }

    /// Shuts the user out, everywhere.
    #[must_use]
    pub fn deactivate(mut self) -> Self {
        self.after.status = UserStatus::Deactivated;
        self.kind = UserEventKind::Deactivated;
        self.end_sessions()
    }

    /// Lets the user in again.
    #[must_use]
    pub fn reactivate(mut self) -> Self {
        self.after.status = UserStatus::Active;
        self.kind = UserEventKind::Reactivated;
        self
    }

    /// Leaves of the user a tombstone: the id, and no personal data.
    #[must_use]
    pub fn erase(mut self) -> Self {
        self.after = User {
            email: None,
            email_verified: false,
            username: None,
            display_name: None,
            roles: Roles::none(),
            status: UserStatus::Deleted,
            ..self.after
        };
        self.password_hash = None;
        self.posting = None;
        self.kind = UserEventKind::Deleted;
        self.end_sessions()
    }

    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.before == self.after
            && self.password_hash.is_none()
            && self.ticket.is_none()
            && self.above == self.before.version
    }

    /// The change and its event, at `now`. `traceparent` names the request that led to it.
    #[must_use]
    pub fn at(self, now: OffsetDateTime, traceparent: Option<String>) -> UserChange {
        let Self { before, after: mut user, kind, password_hash, ticket, posting, above } = self;
        let (after_email, verifies) = (user.email.clone(), user.email_verified && !before.email_verified);
        let unseats_admin = before.is_acting_admin() && !user.is_acting_admin();
        // Also when the clock went back: of two versions the greater is the newer.
        user.version = above.saturating_add(1).max(to_millis(now));
        let changed_at = whole_milliseconds(now);
        let event = UserEvent { id: Uuid::now_v7(), kind, occurred_at: changed_at, user: user.snapshot() };
        UserChange {
            expected_version: before.version,
            user,
            password_hash,
            event: event.to_message(traceparent),
            changed_at,
            ticket,
            posting,
            unseats_admin,
            email_changes: before.email != after_email,
            verifies,
        }
    }
}

impl UserChange {
    /// Whether it leaves a tombstone.
    #[must_use]
    pub fn is_erasure(&self) -> bool {
        self.user.status == UserStatus::Deleted
    }

    /// The tickets that are void once this is written, besides all of them with
    /// another address: the one that it uses, and those for what it has done.
    pub(crate) fn voids(&self) -> Vec<TicketKind> {
        let is_void = |kind: &TicketKind| {
            self.ticket.is_some_and(|(used, _)| used == *kind)
                || match kind {
                    TicketKind::Verify => self.verifies,
                    TicketKind::Reset => self.password_hash.is_some(),
                }
        };
        TicketKind::ALL.into_iter().filter(is_void).collect()
    }
}

#[cfg(test)]
mod tests {
    use accrue_events::user::Decoded;
    use time::macros::datetime;

    use super::*;
    use crate::domain::{NewUser, Profile};

    fn ada() -> User {
        let email = EmailAddress::parse("ada@example.com").expect("an address");
        let name = DisplayName::parse("Ada").expect("a name");
        let profile = Profile { display_name: Some(name), ..Profile::of(email) };
        let now = datetime!(2026-01-02 03:04:05 UTC);
        NewUser::new("u1".into(), profile, None, now, None).user().clone()
    }

    fn event(change: &UserChange) -> UserEvent {
        match UserEvent::decode(&change.event.body) {
            Ok(Decoded::User(event)) => *event,
            other => panic!("no user event: {other:?}"),
        }
    }

    #[test]
    fn versions_grow_even_when_the_clock_goes_back() {
        let user = ada();
        let later = Edit::of(&user).verify_email().at(datetime!(2026-01-02 04:00 UTC), None);
        assert_eq!(later.user.version, 1_767_326_400_000);
        let earlier = Edit::of(&user).verify_email().at(datetime!(2020-01-01 0:00 UTC), None);
        assert_eq!((earlier.expected_version, earlier.user.version), (user.version, user.version + 1));
        assert_eq!(event(&earlier).user, earlier.user.snapshot());
    }

    #[test]
    fn a_new_address_is_not_verified_and_the_same_one_stays_so() {
        let user = Edit::of(&ada()).verify_email().at(datetime!(2026-01-02 04:00 UTC), None).user;
        let same = Edit::of(&user).email(EmailAddress::parse("ADA@example.com").expect("an address"));
        assert!(same.is_empty());
        let other = Edit::of(&user).email(EmailAddress::parse("a@example.com").expect("an address"));
        assert!(!other.is_empty() && !other.at(datetime!(2026-01-02 05:00 UTC), None).user.email_verified);
    }

    #[test]
    fn an_erased_user_is_a_tombstone_without_personal_data() {
        let change = Edit::of(&ada()).erase().at(datetime!(2026-01-02 04:00 UTC), None);
        assert!(change.is_erasure());
        let event = event(&change);
        assert_eq!((event.kind, event.user.status), (UserEventKind::Deleted, UserStatus::Deleted));
        let body = String::from_utf8_lossy(&change.event.body).into_owned();
        assert!(!body.contains("ada@") && !body.contains("Ada"), "{body}");
        assert_eq!(change.user.session_epoch, 1);
    }
}
