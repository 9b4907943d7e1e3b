//! The port of users: each verb is one transaction, or one document's write, which
//! takes effect whole or not at all, wherever the process dies.

use accrue_events::user::UserStatus;
use async_trait::async_trait;
use secrecy::SecretString;
use time::OffsetDateTime;

use super::StoreError;
use crate::domain::{
    EmailAddress, IdempotencyKey, KeptReply, LoginName, NewUser, Replay, Role, User, UserChange, Username,
};

/// The users.
#[async_trait]
pub trait UserStore: Send + Sync + 'static {
    /// An id for a user to come, in this store's own form.
    fn new_user_id(&self) -> String;

    /// Writes a user, the event that tells of them, and the reply kept for their
    /// idempotency key, together. What is not `Registered` wrote nothing.
    ///
    /// # Errors
    /// [`StoreError`]. After `Unavailable` the user may have been written.
    async fn register(&self, new: NewUser) -> Result<Registration, StoreError>;

    /// What was kept of the registration that came with `key`.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn kept_reply(&self, key: IdempotencyKey) -> Result<Option<KeptReply>, StoreError>;

    /// The user of this id, or their tombstone. Text that can be no id of this store
    /// names nobody.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn user(&self, user_id: &str) -> Result<Option<User>, StoreError> {
        Ok(self.login_of(user_id).await?.map(|login| login.user))
    }

    /// The user of this address or username, with what their password is compared with.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn login(&self, name: &LoginName) -> Result<Option<Login>, StoreError>;

    /// The user of this id, with what their password is compared with.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn login_of(&self, user_id: &str) -> Result<Option<Login>, StoreError>;

    /// The user of this address.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn by_email(&self, email: &EmailAddress) -> Result<Option<User>, StoreError> {
        Ok(self.login(&LoginName::Email(email.clone())).await?.map(|login| login.user))
    }

    /// The user of this username.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn by_username(&self, username: &Username) -> Result<Option<User>, StoreError> {
        Ok(self.login(&LoginName::Username(username.clone())).await?.map(|login| login.user))
    }

    /// Writes a change and its event together, if the user is still at the version
    /// that the change was made for. What is not `Done` wrote nothing. An erasure
    /// leaves the id, the version and the event, and nothing else. However many admins
    /// leave at once, in however many processes, one stays.
    ///
    /// # Errors
    /// [`StoreError`]. After `Unavailable` the change may have been written.
    async fn change(&self, change: UserChange) -> Result<Changed, StoreError>;

    /// Writes the event of a replay, if the user is still at its version and it does not wait
    /// already: else what is newer waits, or the same.
    ///
    /// # Errors
    /// [`StoreError`]. After `Unavailable` the event may have been written.
    async fn replay(&self, replay: Replay) -> Result<(), StoreError>;

    /// Up to `limit` users, tombstones too, in the order of the bytes of their ids, from those
    /// `after`; nothing where that can be no id of this store.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn versions(&self, after: Option<&str>, limit: u32)
    -> Result<Option<Vec<UserVersion>>, StoreError>;

    /// Puts `to` in the place of the hash `from`, of the same password: no change of
    /// the user, so no version and no event. Whether `from` was still there.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn upgrade_password_hash(
        &self,
        user_id: &str,
        from: &SecretString,
        to: SecretString,
    ) -> Result<bool, StoreError>;

    /// Up to `limit` users that pass `filter`, newest first, from those `after`.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn list(
        &self,
        filter: &UserFilter,
        after: Option<&UserPosition>,
        limit: u32,
    ) -> Result<Vec<User>, StoreError>;

    /// Whether the store answers.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn ping(&self) -> Result<(), StoreError>;
}

/// What came of a registration.
#[derive(Debug)]
pub enum Registration {
    /// The user is written, and the event waits in the outbox.
    Registered(User),
    /// Somebody else has the address.
    EmailTaken,
    /// Somebody else has the username.
    UsernameTaken,
    /// The idempotency key came with an earlier registration, of this request or of another.
    KeyUsed(KeptReply),
}

/// What came of a change.
#[derive(Debug)]
pub enum Changed {
    /// The change is written, and the event waits in the outbox.
    Done(User),
    /// The user has changed since they were read: read again and decide anew.
    Stale,
    /// Somebody else has the address.
    EmailTaken,
    /// Somebody else has the username.
    UsernameTaken,
    /// No admin would be left who can act, or the others are leaving at this moment.
    LastAdmin,
    /// There is no such user.
    NotFound,
}

/// How far a user has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserVersion {
    /// Who.
    pub user_id: String,
    /// Grows with every change: max(previous + 1, milliseconds now).
    pub version: i64,
    /// Whether they may sign in; `Deleted` is a tombstone.
    pub status: UserStatus,
}

/// A user and what signing in compares.
#[derive(Debug, Clone)]
pub struct Login {
    /// The user.
    pub user: User,
    /// The hash of their password as a PHC string; none if they never had one, or
    /// have been erased.
    pub password_hash: Option<SecretString>,
}

/// Which users to list: those that pass everything that is set.
#[derive(Debug, Clone, Copy, Default)]
pub struct UserFilter {
    /// Only those in this state.
    pub status: Option<UserStatus>,
    /// Only those with this role.
    pub role: Option<Role>,
}

/// A place in the order in which users are listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserPosition {
    /// When the user registered.
    pub created_at: OffsetDateTime,
    /// Tells users of the same moment apart.
    pub user_id: String,
}
