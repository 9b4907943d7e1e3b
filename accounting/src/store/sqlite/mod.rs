//! The ledger in a SQLite file: one writer, several readers.

mod audit;
mod balance;
mod batch_keys;
mod due;
mod load;
mod made;
mod outbox;
mod rates;
mod read;
mod resources;
mod rows;
mod save;
mod save_resources;
mod seal;
mod standing;
mod usage_sums;

use std::str::FromStr as _;
use std::time::Duration;

use accrue_chassis::clock::SharedClock;
use accrue_chassis::private_file;
use async_trait::async_trait;
use sqlx::migrate::Migrator;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Connection as _, SqliteConnection};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    AccountFilter, AccountPosition, AccountView, AllocationAt, DuePosition, EntryFilter, ExplainedBalance,
    LedgerStore, OpenError, Posted, StoreError, UsageFilter, UsagePosition, UsageSum, require_all, salt_seed,
};
use crate::ledger::{Command, Entry, IdempotencyKey, Policies, Reservation, Usage, decide_all, events_of};

/// Connections for reading.
const READERS: u32 = 4;
/// How long another process's write is waited for.
const BUSY_LIMIT: Duration = Duration::from_secs(5);

/// The ledger in a SQLite file.
pub(super) struct SqliteLedger {
    writer: SqlitePool,
    readers: SqlitePool,
    clock: SharedClock,
}

impl SqliteLedger {
    pub(super) async fn open(url: &str, migrate: bool, clock: SharedClock) -> Result<Self, OpenError> {
        let options = options(url)?;
        if migrate {
            // SQLite gives the files that it puts beside it the same permissions.
            private_file::create(options.get_filename())
                .map_err(|error| OpenError::Settings(format!("the file cannot be made: {error}")))?;
        }
        let pool = || {
            SqlitePoolOptions::new()
                .acquire_timeout(BUSY_LIMIT)
                .idle_timeout(None)
                .max_lifetime(None)
                .after_release(|connection, _| Box::pin(is_usable(connection)))
        };
        let writer = pool().max_connections(1).connect_with(options.clone()).await?;
        if migrate {
            apply(&writer).await?;
            seal::seal_all(&writer).await?;
        }
        let readers = pool().max_connections(READERS).connect_lazy_with(options.pragma("query_only", "on"));
        let store = Self { writer, readers, clock };
        require_schema(&store.readers).await?;
        Ok(store)
    }
}

/// That the schema is there, and every entry has its hash.
async fn require_schema(pool: &SqlitePool) -> Result<(), OpenError> {
    let is_there: Option<i64> =
        sqlx::query_scalar("SELECT 1 FROM sqlite_schema WHERE name = '_sqlx_migrations'")
            .fetch_optional(pool)
            .await?;
    let applied: Vec<i64> = if is_there.is_some() {
        sqlx::query_scalar("SELECT version FROM _sqlx_migrations WHERE success").fetch_all(pool).await?
    } else {
        Vec::new()
    };
    require_all(&migrator(), &applied)?;
    if seal::is_sealed(pool).await? { Ok(()) } else { Err(OpenError::NotSealed) }
}

/// What an audit reads.
pub(super) async fn audit_source(url: &str) -> Result<audit::Source, OpenError> {
    let pool = SqlitePoolOptions::new().acquire_timeout(BUSY_LIMIT).max_connections(1);
    let pool = pool.connect_lazy_with(options(url)?.pragma("query_only", "on"));
    require_schema(&pool).await?;
    Ok(audit::Source(pool))
}

/// Whether a connection that comes back can be used again. A full disk makes SQLite roll
/// back by itself; sqlx then fails to, and takes the connection to be in that
/// transaction for ever.
async fn is_usable(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    // Behind whatever the connection still has to do.
    connection.ping().await?;
    Ok(!connection.is_in_transaction())
}

fn migrator() -> Migrator {
    let mut migrator = sqlx::migrate!("../migrations/accounting/sqlite");
    migrator.set_ignore_missing(true);
    migrator
}

/// Brings the schema up to date in one transaction, under the file's write lock: of
/// two processes that start at once, the second finds it done.
async fn apply(writer: &SqlitePool) -> Result<(), OpenError> {
    let mut transaction = writer.begin_with("BEGIN IMMEDIATE").await?;
    migrator().run_direct(None, &mut *transaction, false).await?;
    Ok(transaction.commit().await?)
}

fn options(url: &str) -> Result<SqliteConnectOptions, OpenError> {
    let options = SqliteConnectOptions::from_str(url)
        .map_err(|_| OpenError::Settings("it is not of the form sqlite:PATH".to_owned()))?;
    let is_in_memory = url.contains(":memory:") || url.contains("mode=memory");
    if is_in_memory || options.get_filename().as_os_str().is_empty() {
        let detail = "a database in memory keeps no promise; name a file";
        return Err(OpenError::Settings(detail.to_owned()));
    }
    Ok(options
        .create_if_missing(false)
        .journal_mode(SqliteJournalMode::Wal)
        // Every commit reaches the disk before it is acknowledged.
        .synchronous(SqliteSynchronous::Full)
        // What was erased is overwritten, not only unlinked.
        .pragma("secure_delete", "on")
        .busy_timeout(BUSY_LIMIT))
}

#[async_trait]
impl LedgerStore for SqliteLedger {
    async fn post(&self, commands: &[Command], policies: Policies) -> Result<Posted, StoreError> {
        let mut connection = self.writer.acquire().await?;
        // The write lock at once: a deferred one would be asked for after reading,
        // when it may be too late for it.
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        let now = self.clock.now();
        let (mut accounts, missing) = load::load(&mut transaction, commands, now).await?;
        let posted = decide_all(&mut accounts, commands, policies, (now, salt_seed()))?;
        save::save(&mut transaction, &accounts, &missing, now).await?;
        outbox::insert(&mut transaction, &events_of(&accounts, policies.events), now).await?;
        transaction.commit().await?;
        Ok(posted)
    }

    async fn claim_batch_key(&self, key: &IdempotencyKey) -> Result<bool, StoreError> {
        batch_keys::claim(&self.writer, key, self.clock.now()).await
    }

    fn lanes(&self) -> usize {
        1
    }

    async fn now(&self) -> Result<OffsetDateTime, StoreError> {
        Ok(self.clock.now())
    }

    async fn account(&self, user_id: &str) -> Result<Option<AccountView>, StoreError> {
        read::account(&self.readers, user_id, self.clock.now()).await
    }

    async fn accounts(
        &self,
        filter: &AccountFilter,
        after: Option<&AccountPosition>,
        limit: u32,
    ) -> Result<Vec<AccountView>, StoreError> {
        read::accounts(&self.readers, filter, after, limit, self.clock.now()).await
    }

    async fn due_accounts(
        &self,
        after: Option<&DuePosition>,
        limit: u32,
    ) -> Result<Vec<DuePosition>, StoreError> {
        read::due_accounts(&self.readers, after, limit, self.clock.now()).await
    }

    async fn entries(
        &self,
        user_id: &str,
        filter: &EntryFilter,
        limit: u32,
    ) -> Result<Vec<Entry>, StoreError> {
        read::entries(&self.readers, user_id, filter, limit).await
    }

    async fn allocation(&self, user_id: &str, id: Uuid) -> Result<Option<AllocationAt>, StoreError> {
        resources::allocation(&self.readers, (user_id, id), self.clock.now()).await
    }

    async fn allocations(
        &self,
        user_id: &str,
        before: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<AllocationAt>, StoreError> {
        resources::allocations(&self.readers, (user_id, before), limit, self.clock.now()).await
    }

    async fn usage(&self, user_id: &str, id: Uuid) -> Result<Option<Usage>, StoreError> {
        resources::usage(&self.readers, (user_id, id)).await
    }

    async fn usages(
        &self,
        user_id: &str,
        before: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<Usage>, StoreError> {
        resources::usages(&self.readers, (user_id, before), limit).await
    }

    async fn reservation(&self, user_id: &str, id: Uuid) -> Result<Option<Reservation>, StoreError> {
        resources::reservation(&self.readers, (user_id, id), self.clock.now()).await
    }

    async fn reservations(
        &self,
        user_id: &str,
        before: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<Reservation>, StoreError> {
        resources::reservations(&self.readers, (user_id, before), limit, self.clock.now()).await
    }

    async fn balance(
        &self,
        user_id: &str,
        at: OffsetDateTime,
        before: Option<Uuid>,
        limit: u32,
    ) -> Result<Option<ExplainedBalance>, StoreError> {
        balance::balance(&self.readers, (user_id, at), before, limit).await
    }

    async fn usage_by_day(
        &self,
        filter: &UsageFilter,
        after: Option<&UsagePosition>,
        limit: u32,
    ) -> Result<Vec<UsageSum>, StoreError> {
        usage_sums::by_day(&self.readers, filter, after, limit).await
    }

    async fn usage_by_month(
        &self,
        user_id: &str,
        filter: &UsageFilter,
        after: Option<&UsagePosition>,
        limit: u32,
    ) -> Result<Vec<UsageSum>, StoreError> {
        usage_sums::by_month(&self.readers, (user_id, filter), after, limit).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        // Whether the file can be written, as far as that can be told without writing.
        let transaction = self.writer.begin_with("BEGIN IMMEDIATE").await?;
        transaction.rollback().await?;
        sqlx::query("SELECT 1 FROM accounts LIMIT 1").fetch_optional(&self.readers).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use accrue_chassis::clock::SystemClock;
    use uuid::Uuid;

    use super::*;
    use crate::ledger::{Action, Allocate, DEFAULT_PRIORITY};

    fn allocation(reason_chars: usize) -> Command {
        let action = Action::Allocate(Allocate {
            allocation_id: Uuid::now_v7(),
            credits: 1,
            priority: DEFAULT_PRIORITY,
            effective_at: None,
            expires_at: None,
            reason: Some("x".repeat(reason_chars)),
            metadata: None,
        });
        Command { user_id: "u".to_owned(), actor: "test".to_owned(), idempotency: None, action }
    }

    #[tokio::test]
    async fn a_disk_that_was_full_is_written_again_once_there_is_room() {
        let directory = tempfile::tempdir().expect("a directory");
        let url = format!("sqlite:{}", directory.path().join("accounting.db").display());
        let store = SqliteLedger::open(&url, true, Arc::new(SystemClock)).await.expect("opened");
        store.post(&[allocation(1)], Policies::DEFAULT).await.expect("room");
        // As full as a disk can be, for this connection.
        sqlx::query("PRAGMA max_page_count = 1").execute(&store.writer).await.expect("set");
        let full = store.post(&[allocation(100_000)], Policies::DEFAULT).await;
        assert!(full.as_ref().is_err_and(StoreError::is_passing), "{full:?}");
        store.post(&[allocation(100_000)], Policies::DEFAULT).await.expect("room again");
        let account = store.account("u").await.expect("readable").expect("there").account;
        assert_eq!((account.available, account.last_seq), (2, 2));
    }
}
