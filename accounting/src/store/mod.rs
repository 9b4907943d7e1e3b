//! The ledger's store as the rest of accounting sees it: a port, its errors, its adapters.

mod error;
mod pages;
mod postgres;
mod sqlite;

use std::sync::Arc;

use accrue_chassis::clock::SharedClock;
use async_trait::async_trait;
use uuid::Uuid;

pub use error::{OpenError, StoreError};
pub use pages::{AccountFilter, AccountPosition, AccountView};

use crate::ledger::{Allocation, Command, Entry, Receipt, Rejection, WelcomePolicy};

/// What became of each command of a batch, in its order.
pub type Posted = Vec<Result<Receipt, Rejection>>;

/// Keeps accounts, allocations, entries and idempotency keys. Each verb is one transaction.
#[async_trait]
pub trait LedgerStore: Send + Sync + 'static {
    /// Locks the accounts that `commands` name, lets the pure core decide in order,
    /// saves and commits. All or nothing: an error may still have been committed if
    /// the connection broke at the very end, which is why every command carries a
    /// key or a version that makes posting it again harmless.
    async fn post(&self, commands: &[Command], welcome: WelcomePolicy) -> Result<Posted, StoreError>;

    /// How many batches can be posted side by side.
    fn lanes(&self) -> usize;

    /// One account, with what can be spent now.
    async fn account(&self, user_id: &str) -> Result<Option<AccountView>, StoreError>;

    /// Accounts that pass `filter`, newest first, `limit` at most, those after `after`.
    async fn accounts(
        &self,
        filter: &AccountFilter,
        after: Option<&AccountPosition>,
        limit: u32,
    ) -> Result<Vec<AccountView>, StoreError>;

    /// Entries of an account, newest first, `limit` at most, those with a `seq` below `before_seq`.
    async fn entries(
        &self,
        user_id: &str,
        before_seq: Option<i64>,
        limit: u32,
    ) -> Result<Vec<Entry>, StoreError>;

    /// One allocation. What has run out has nothing remaining.
    async fn allocation(&self, user_id: &str, id: Uuid) -> Result<Option<Allocation>, StoreError>;

    /// How many accounts still wait for their user's event.
    async fn count_placeholders(&self) -> Result<i64, StoreError>;

    /// Whether the store answers.
    async fn ping(&self) -> Result<(), StoreError>;
}

/// The adapters, by the scheme of the URL.
enum Adapter {
    Postgres,
    Sqlite,
}

fn adapter(url: &str) -> Result<Adapter, OpenError> {
    match url.split_once(':').map(|(scheme, _)| scheme) {
        Some("postgres" | "postgresql") => Ok(Adapter::Postgres),
        Some("sqlite") => Ok(Adapter::Sqlite),
        _ => Err(OpenError::Settings("it has to begin with postgres:// or sqlite:".to_owned())),
    }
}

/// Whether some adapter takes `url`, as far as that can be told without opening it.
///
/// # Errors
/// [`OpenError::Settings`].
pub fn check_url(url: &str) -> Result<(), OpenError> {
    adapter(url).map(drop)
}

/// That every migration of ours is among those `applied`.
fn require_all(migrator: &sqlx::migrate::Migrator, applied: &[i64]) -> Result<(), OpenError> {
    match migrator.iter().find(|migration| !applied.contains(&migration.version)) {
        Some(missing) => Err(OpenError::NotMigrated(missing.version)),
        None => Ok(()),
    }
}

/// Opens the store that `url` names, and brings its schema up to date if `migrate`.
/// `lanes` is how many batches a server may work on at once; a SQLite file takes one.
///
/// # Errors
/// [`OpenError`]; [`OpenError::may_pass`] tells whether to try again.
pub async fn open(
    url: &str,
    lanes: usize,
    migrate: bool,
    clock: SharedClock,
) -> Result<Arc<dyn LedgerStore>, OpenError> {
    match adapter(url)? {
        Adapter::Postgres => Ok(Arc::new(postgres::PostgresLedger::open(url, lanes, migrate, clock).await?)),
        Adapter::Sqlite => Ok(Arc::new(sqlite::SqliteLedger::open(url, migrate, clock).await?)),
    }
}
