//! The ledger's store as the rest of accounting sees it: a port, its errors, its adapters.

mod audit;
mod error;
mod explained;
mod made;
mod named;
mod pages;
mod postgres;
mod rates;
mod sealing;
mod sqlite;
mod standing;
mod usage_sums;

use std::sync::Arc;

use accrue_chassis::clock::SharedClock;
use accrue_events::outbox::Outbox;
use async_trait::async_trait;
use time::OffsetDateTime;
use uuid::Uuid;

pub(crate) use audit::LAST_USER_ID;
pub use audit::{AuditSource, Snapshot, Stored};
pub use error::{OpenError, StoreError};
pub use explained::ExplainedBalance;
pub use made::{MadeRows, OwnEntry};
pub use pages::{AccountFilter, AccountPosition, AccountView, AllocationAt, DuePosition, EntryFilter};
pub use rates::{RateStanding, RateStore};
pub use standing::{Placeholders, StandingStore};
pub use usage_sums::{Days, UsageFilter, UsagePosition, UsageSum};

use crate::ledger::chain::{Made, SaltSeed, row_digest};
use crate::ledger::{
    Allocation, Command, Entry, IdempotencyKey, Policies, Receipt, Rejection, Reservation, Usage,
};

/// What became of each command of a batch, in its order.
pub type Posted = Vec<Result<Receipt, Rejection>>;

/// Keeps accounts, allocations, usages, reservations, entries and idempotency keys. Each
/// verb is one transaction. What reading shows is settled: what has fallen due counts as
/// booked, though nobody has booked it yet. As [`Outbox`] it gives out the events that
/// were written with what they tell of.
#[async_trait]
pub trait LedgerStore: RateStore + StandingStore + Outbox {
    /// Locks the accounts that `commands` name, lets the pure core decide in order,
    /// saves, with the events of what was booked if `policies` ask for them, and commits.
    /// All or nothing: an error may still have been committed if the connection broke at
    /// the very end, which is why every command carries a key or a version that makes
    /// posting it again harmless.
    async fn post(&self, commands: &[Command], policies: Policies) -> Result<Posted, StoreError>;

    /// Takes the key of a request that is about many accounts, once for ever, for the
    /// request whose fingerprint it has. Says whether it is that request's: taken now, or
    /// by the same request before.
    async fn claim_batch_key(&self, key: &IdempotencyKey) -> Result<bool, StoreError>;

    /// How many batches can be posted side by side.
    fn lanes(&self) -> usize;

    /// What time it is for whatever falls due: the same for all processes on one database.
    async fn now(&self) -> Result<OffsetDateTime, StoreError>;

    /// One account.
    async fn account(&self, user_id: &str) -> Result<Option<AccountView>, StoreError>;

    /// Accounts that pass `filter`, newest first, `limit` at most, those after `after`.
    async fn accounts(
        &self,
        filter: &AccountFilter,
        after: Option<&AccountPosition>,
        limit: u32,
    ) -> Result<Vec<AccountView>, StoreError>;

    /// Accounts on which something has fallen due, the longest due first, `limit` at
    /// most, those after `after`.
    async fn due_accounts(
        &self,
        after: Option<&DuePosition>,
        limit: u32,
    ) -> Result<Vec<DuePosition>, StoreError>;

    /// Entries of an account that pass `filter`, newest first, `limit` at most. Only
    /// those that are booked.
    async fn entries(
        &self,
        user_id: &str,
        filter: &EntryFilter,
        limit: u32,
    ) -> Result<Vec<Entry>, StoreError>;

    /// One allocation.
    async fn allocation(&self, user_id: &str, id: Uuid) -> Result<Option<AllocationAt>, StoreError>;

    /// Allocations of an account, newest first, `limit` at most, those with an id below `before`.
    async fn allocations(
        &self,
        user_id: &str,
        before: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<AllocationAt>, StoreError>;

    /// One usage.
    async fn usage(&self, user_id: &str, id: Uuid) -> Result<Option<Usage>, StoreError>;

    /// Usages of an account, newest first, `limit` at most, those with an id below `before`.
    async fn usages(&self, user_id: &str, before: Option<Uuid>, limit: u32)
    -> Result<Vec<Usage>, StoreError>;

    /// One reservation.
    async fn reservation(&self, user_id: &str, id: Uuid) -> Result<Option<Reservation>, StoreError>;

    /// Reservations of an account, newest first, `limit` at most, those with an id below `before`.
    async fn reservations(
        &self,
        user_id: &str,
        before: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<Reservation>, StoreError>;

    /// What an account holds at `at`, which must not lie ahead, and a page of the allocations
    /// that explain it: newest first, `limit` at most, those with an id below `before`. What
    /// was due by then counts as booked. Takes as long as summing the account's entries.
    async fn balance(
        &self,
        user_id: &str,
        at: OffsetDateTime,
        before: Option<Uuid>,
        limit: u32,
    ) -> Result<Option<ExplainedBalance>, StoreError>;

    /// Usages that pass `filter`, summed by day, user and resource: the newest day first, of
    /// a day in order of the users' ids, of a user in order of the resources, those that name
    /// none last; `limit` at most, those after `after`.
    async fn usage_by_day(
        &self,
        filter: &UsageFilter,
        after: Option<&UsagePosition>,
        limit: u32,
    ) -> Result<Vec<UsageSum>, StoreError>;

    /// The same of one user by month and resource: of each month those days that pass.
    async fn usage_by_month(
        &self,
        user_id: &str,
        filter: &UsageFilter,
        after: Option<&UsagePosition>,
        limit: u32,
    ) -> Result<Vec<UsageSum>, StoreError>;

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

/// The digest that the row of an allocation carries while no entry names it.
fn pending_digest(user_id: &str, allocation: &Allocation) -> Option<Vec<u8>> {
    allocation.is_pending.then(|| row_digest(user_id, Made::Allocation(allocation)).to_vec())
}

/// The digest that the row of a reservation carries.
fn reservation_digest(user_id: &str, reservation: &Reservation) -> Vec<u8> {
    row_digest(user_id, Made::Reservation(reservation)).to_vec()
}

/// What the salts of a batch are derived from.
fn salt_seed() -> SaltSeed {
    let mut seed = SaltSeed::default();
    seed[..16].copy_from_slice(Uuid::new_v4().as_bytes());
    seed[16..].copy_from_slice(Uuid::new_v4().as_bytes());
    seed
}

/// That every migration of ours is among those `applied`.
fn require_all(migrator: &sqlx::migrate::Migrator, applied: &[i64]) -> Result<(), OpenError> {
    match migrator.iter().find(|migration| !applied.contains(&migration.version)) {
        Some(missing) => Err(OpenError::NotMigrated(missing.version)),
        None => Ok(()),
    }
}

/// Opens what `url` names for an audit, as it is: nothing is migrated or written.
///
/// # Errors
/// [`OpenError`]; among them that the schema is not up to date.
pub async fn open_audit(url: &str) -> Result<Box<dyn AuditSource>, OpenError> {
    match adapter(url)? {
        Adapter::Postgres => Ok(Box::new(postgres::audit_source(url).await?)),
        Adapter::Sqlite => Ok(Box::new(sqlite::audit_source(url).await?)),
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
