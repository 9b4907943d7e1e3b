//! How accounts stand with auth's users, as the rest of accounting sees it: who is known
//! here, by which version, and who is not.

use std::collections::BTreeSet;

use async_trait::async_trait;
use time::OffsetDateTime;

use super::{AccountView, StoreError};
use crate::ledger::IdempotencyKey;

/// The accounts that wait for their user's event.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Placeholders {
    /// How many.
    pub count: i64,
    /// When the oldest of them was made that holds anything. One that was emptied, as after
    /// a transfer of what went to a mistyped id, waits for nobody.
    pub oldest_since: Option<OffsetDateTime>,
}

/// What is asked when accounts are compared with auth's users. All of it only reads.
#[async_trait]
pub trait StandingStore: Send + Sync + 'static {
    /// Accounts in the byte order of their users' ids, `limit` at most, those after `after`;
    /// the empty text is before all.
    async fn accounts_in_order(&self, after: &str, limit: u32) -> Result<Vec<AccountView>, StoreError>;

    /// Those of `user_ids` that have no account.
    async fn missing_accounts(&self, user_ids: &[&str]) -> Result<BTreeSet<String>, StoreError>;

    /// Whether `key` has come with a request about the account of `user_id` that was booked.
    async fn is_key_used(&self, user_id: &str, key: &IdempotencyKey) -> Result<bool, StoreError>;

    /// The accounts that wait for their user's event.
    async fn placeholders(&self) -> Result<Placeholders, StoreError>;
}
