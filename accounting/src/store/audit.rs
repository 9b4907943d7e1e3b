//! What an audit reads: every row of some accounts, as it is stored, in one snapshot.

use async_trait::async_trait;
use uuid::Uuid;

use super::StoreError;
use super::made::{MadeRows, OwnEntry};
use crate::ledger::{Account, Allocation, Entry, Reservation, Usage};

/// Comes after every user id: ids have 50 characters at most.
pub(crate) const LAST_USER_ID: &str = concat!(
    "\u{10ffff}\u{10ffff}\u{10ffff}\u{10ffff}\u{10ffff}\u{10ffff}\u{10ffff}\u{10ffff}\u{10ffff}\u{10ffff}",
    "\u{10ffff}\u{10ffff}\u{10ffff}\u{10ffff}\u{10ffff}\u{10ffff}\u{10ffff}\u{10ffff}\u{10ffff}\u{10ffff}",
    "\u{10ffff}\u{10ffff}\u{10ffff}\u{10ffff}\u{10ffff}\u{10ffff}\u{10ffff}\u{10ffff}\u{10ffff}\u{10ffff}",
    "\u{10ffff}\u{10ffff}\u{10ffff}\u{10ffff}\u{10ffff}\u{10ffff}\u{10ffff}\u{10ffff}\u{10ffff}\u{10ffff}",
    "\u{10ffff}\u{10ffff}\u{10ffff}\u{10ffff}\u{10ffff}\u{10ffff}\u{10ffff}\u{10ffff}\u{10ffff}\u{10ffff}",
    "\u{10ffff}",
);

/// A row, or why it cannot be read.
#[derive(Debug)]
pub struct Stored<K, T> {
    /// Whose it is.
    pub user_id: String,
    /// Which it is of theirs.
    pub key: K,
    /// What it says.
    pub row: Result<T, StoreError>,
    /// The digest of an entry, or that of its terms which a row carries.
    pub digest: Option<Vec<u8>>,
}

/// Opens snapshots.
#[async_trait]
pub trait AuditSource: Send + Sync {
    /// What is stored now. It stays as it is until the value is dropped.
    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, StoreError>;
}

/// What was stored at one instant. Rows come in the order of user ids and then of their
/// keys: those from a position on, of users up to and with one, `limit` at most.
#[async_trait]
pub trait Snapshot: Send {
    /// Accounts.
    async fn accounts(
        &mut self,
        from: &str,
        until: &str,
        limit: i64,
    ) -> Result<Vec<Stored<(), Account>>, StoreError>;

    /// Entries, by `seq`.
    async fn entries(
        &mut self,
        from: (&str, i64),
        until: &str,
        limit: i64,
    ) -> Result<Vec<Stored<i64, Entry>>, StoreError>;

    /// Allocations, by id.
    async fn allocations(
        &mut self,
        from: (&str, Uuid),
        until: &str,
        limit: i64,
    ) -> Result<Vec<Stored<Uuid, Allocation>>, StoreError>;

    /// Usages, by id.
    async fn usages(
        &mut self,
        from: (&str, Uuid),
        until: &str,
        limit: i64,
    ) -> Result<Vec<Stored<Uuid, Usage>>, StoreError>;

    /// Reservations, by id.
    async fn reservations(
        &mut self,
        from: (&str, Uuid),
        until: &str,
        limit: i64,
    ) -> Result<Vec<Stored<Uuid, Reservation>>, StoreError>;

    /// What `entries` made, as far as it is there and can be read.
    async fn made(&mut self, entries: &[OwnEntry]) -> Result<MadeRows, StoreError>;
}
