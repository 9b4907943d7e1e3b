//! Idempotency keys: one effect a key, and the same reply to every repetition.

use time::{Duration, OffsetDateTime};

use super::receipt::{Rejection, Reply};

/// For how long a reply is given again. The key itself, and what it made, stay known
/// for ever.
pub const REPLY_KEPT_DAYS: i64 = 30;

/// The key that came with a request. It counts within one account and one client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// Who sent it. What begins with `#` is ours: no client can be called so.
    pub client: String,
    /// The key as the client chose it.
    pub key: String,
    /// SHA-256 of the operation and the parsed request.
    pub fingerprint: [u8; 32],
}

impl IdempotencyKey {
    /// The key of the item at `place` in a batch that came with this key. No key that a
    /// client chooses is the same.
    #[must_use]
    pub fn of_item(&self, place: usize) -> Self {
        Self {
            client: format!("#batch {}", self.client),
            key: format!("{place} {}", self.key),
            fingerprint: self.fingerprint,
        }
    }
}

/// A key that was used, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRecord {
    /// The key, with the fingerprint of its first request.
    pub key: IdempotencyKey,
    /// What was made, as a path below the account.
    pub resource: String,
    /// The first reply.
    pub reply: Vec<u8>,
    /// When.
    pub recorded_at: OffsetDateTime,
}

impl KeyRecord {
    /// What a request that came with `key` again is told at `now`.
    pub(super) fn answer(&self, key: &IdempotencyKey, now: OffsetDateTime) -> Result<Reply, Rejection> {
        if self.key.fingerprint != key.fingerprint {
            return Err(Rejection::KeyReused);
        }
        if now >= self.recorded_at + Duration::days(REPLY_KEPT_DAYS) {
            return Err(Rejection::ReplyGone { resource: self.resource.clone() });
        }
        Ok(Reply { resource: self.resource.clone(), body: self.reply.clone(), is_replay: true })
    }
}
