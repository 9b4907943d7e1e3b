//! The port of sessions: each verb is one write of one session, whole or not at all.

use async_trait::async_trait;
use time::OffsetDateTime;
use uuid::Uuid;

use super::StoreError;
use crate::domain::{Rotation, Session};

/// The sessions.
#[async_trait]
pub trait SessionStore: Send + Sync + 'static {
    /// Writes a session that begins.
    ///
    /// # Errors
    /// [`StoreError`]. After `Unavailable` it may have been written; nobody has its token.
    async fn begin_session(&self, session: &Session) -> Result<(), StoreError>;

    /// The session of this id, expired or not.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn session(&self, session_id: Uuid) -> Result<Option<Session>, StoreError>;

    /// Exchanges a session's token, if the one that is exchanged is the good one
    /// still. Of any number of rotations of one token, one is done.
    ///
    /// # Errors
    /// [`StoreError`]. After `Unavailable` it may have been done.
    async fn rotate_session(&self, rotation: &Rotation) -> Result<bool, StoreError>;

    /// Up to `limit` sessions of the user in that epoch that have not expired at
    /// `now`, newest first, from those older than the session `before`.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn sessions_of(
        &self,
        user_id: &str,
        epoch: i64,
        now: OffsetDateTime,
        before: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<Session>, StoreError>;

    /// Lets one session of the user outlive the end of all others: it moves on from the
    /// epoch before `epoch`. One that had ended earlier stays so. Whether there was one.
    ///
    /// # Errors
    /// [`StoreError`]. After `Unavailable` it may have been done.
    async fn carry_session(&self, user_id: &str, session_id: Uuid, epoch: i64) -> Result<bool, StoreError>;

    /// Ends one session of the user. Whether there was one.
    ///
    /// # Errors
    /// [`StoreError`]. After `Unavailable` it may have ended.
    async fn end_session(&self, user_id: &str, session_id: Uuid) -> Result<bool, StoreError>;

    /// Ends every session of the user but `except`. How many there were.
    ///
    /// # Errors
    /// [`StoreError`]. After `Unavailable` some may have ended.
    async fn end_sessions(&self, user_id: &str, except: Option<Uuid>) -> Result<u64, StoreError>;
}
