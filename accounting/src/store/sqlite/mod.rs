//! The ledger in a SQLite file: one writer, several readers.

mod read;
mod rows;
mod write;

use std::collections::BTreeSet;
use std::str::FromStr as _;
use std::time::Duration;

use accrue_chassis::clock::SharedClock;
use async_trait::async_trait;
use sqlx::Connection as _;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use uuid::Uuid;

use super::{AccountFilter, AccountPosition, AccountView, LedgerStore, OpenError, Posted, StoreError};
use crate::ledger::{Allocation, Command, Entry, WelcomePolicy, decide_all};

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
        let options = SqliteConnectOptions::from_str(url)
            .map_err(|_| OpenError::Settings("it is not of the form sqlite:PATH".to_owned()))?
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // Every commit reaches the disk before it is acknowledged.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_LIMIT);
        let writer = SqlitePoolOptions::new().max_connections(1).connect_with(options.clone()).await?;
        if migrate {
            let mut migrator = sqlx::migrate!("../migrations/accounting/sqlite");
            migrator.set_ignore_missing(true);
            migrator.run(&writer).await?;
        }
        let readers = SqlitePoolOptions::new().max_connections(READERS).connect_lazy_with(options);
        Ok(Self { writer, readers, clock })
    }
}

#[async_trait]
impl LedgerStore for SqliteLedger {
    async fn post(&self, commands: &[Command], welcome: WelcomePolicy) -> Result<Posted, StoreError> {
        let mut connection = self.writer.acquire().await?;
        // The write lock at once: a deferred one would be asked for after reading,
        // when it may be too late for it.
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        let user_ids: BTreeSet<&str> = commands.iter().map(|command| command.user_id.as_str()).collect();
        let now = self.clock.now();
        let mut accounts = write::load(&mut transaction, &user_ids, commands, now).await?;
        let posted = decide_all(&mut accounts, commands, welcome, now);
        write::save(&mut transaction, &accounts, now).await?;
        transaction.commit().await?;
        Ok(posted)
    }

    fn lanes(&self) -> usize {
        1
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

    async fn entries(
        &self,
        user_id: &str,
        before_seq: Option<i64>,
        limit: u32,
    ) -> Result<Vec<Entry>, StoreError> {
        read::entries(&self.readers, user_id, before_seq, limit).await
    }

    async fn allocation(&self, user_id: &str, id: Uuid) -> Result<Option<Allocation>, StoreError> {
        read::allocation(&self.readers, user_id, id, self.clock.now()).await
    }

    async fn count_placeholders(&self) -> Result<i64, StoreError> {
        let count = sqlx::query_scalar("SELECT count(*) FROM accounts WHERE status = 'placeholder'");
        Ok(count.fetch_one(&self.readers).await?)
    }

    async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query("SELECT 1").execute(&self.readers).await?;
        Ok(())
    }
}
