//! The file: opened and migrated when it is first used, then shared.

use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::time::Duration;

use accrue_chassis::clock::{SharedClock, to_micros};
use accrue_chassis::private_file;
use sqlx::migrate::Migrator;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Connection as _, Sqlite, SqliteConnection, Transaction};
use tokio::sync::{Notify, OnceCell};

use super::super::{BrokerError, Depth, MAX_LENGTH, OpenError, Topology};
use super::owner::{StartLock, beside};

static MIGRATIONS: Migrator = sqlx::migrate!("../migrations/broker/sqlite");

/// How long a statement waits for another process's write to end.
const BUSY_LIMIT: Duration = Duration::from_secs(5);

/// One broker's file, for all that this process does with it.
pub(super) struct Store {
    path: PathBuf,
    options: SqliteConnectOptions,
    pool: OnceCell<SqlitePool>,
    clock: SharedClock,
    /// How long a message waits for its next attempt.
    retry_delay: Duration,
    /// Messages that the queue holds.
    max_length: u32,
    /// Notified when this process put messages into the queue.
    pub(super) arrivals: Notify,
}

/// A failure of the file. Nothing that was confirmed is lost by it.
pub(super) fn failed(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> BrokerError {
    BrokerError::Unreachable(error.into())
}

impl Store {
    pub(super) fn parse(url: &str, topology: &Topology, clock: SharedClock) -> Result<Self, OpenError> {
        if url.contains(":memory:") || url.contains("mode=memory") {
            return Err(OpenError::Sqlite("it is to be a file, since a queue in memory keeps no promise"));
        }
        let options = SqliteConnectOptions::from_str(url)
            .map_err(|_| OpenError::Sqlite("its path or a parameter cannot be read"))?;
        let path = options.get_filename().to_owned();
        if path.as_os_str().is_empty() {
            return Err(OpenError::Sqlite("it names no file"));
        }
        let options = options
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // A confirmed publish survives a power cut: every commit is synced.
            .synchronous(SqliteSynchronous::Full)
            // Events hold addresses: what was consumed is overwritten, not only unlinked.
            .pragma("secure_delete", "on")
            .busy_timeout(BUSY_LIMIT);
        Ok(Self {
            path,
            options,
            pool: OnceCell::new(),
            clock,
            retry_delay: topology.retry_delay,
            max_length: MAX_LENGTH,
            arrivals: Notify::new(),
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn max_length(&self) -> u32 {
        self.max_length
    }

    pub(super) fn now_micros(&self) -> i64 {
        to_micros(self.clock.now())
    }

    pub(super) fn retry_delay_micros(&self) -> i64 {
        i64::try_from(self.retry_delay.as_micros()).unwrap_or(i64::MAX / 4)
    }

    /// The file, opened and of the present schema.
    pub(super) async fn pool(&self) -> Result<&SqlitePool, BrokerError> {
        self.pool.get_or_try_init(|| self.open()).await
    }

    /// A transaction that has the write lock from its beginning: one that takes it
    /// later fails when another process wrote in between.
    pub(super) async fn write(&self) -> Result<Transaction<'static, Sqlite>, BrokerError> {
        self.pool().await?.begin_with("BEGIN IMMEDIATE").await.map_err(failed)
    }

    async fn open(&self) -> Result<SqlitePool, BrokerError> {
        // sqlx takes no lock for SQLite's migrations, and two processes that find a
        // new file would both create the tables.
        let _start = StartLock::take(beside(&self.path, "-lock")).await?;
        // Events hold addresses. SQLite gives the files beside it the same permissions.
        private_file::create(&self.path).map_err(failed)?;
        // One connection: SQLite has one writer, and waiting for it in this process
        // is fair where waiting in the file is not.
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .acquire_timeout(BUSY_LIMIT)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
            .after_release(|connection, _| Box::pin(is_usable(connection)))
            .connect_with(self.options.clone())
            .await
            .map_err(failed)?;
        MIGRATIONS.run(&pool).await.map_err(failed)?;
        Ok(pool)
    }

    pub(super) async fn depth(&self) -> Result<Depth, BrokerError> {
        let (total, retry, dead_letters): (i64, i64, i64) = sqlx::query_as(
            "SELECT (SELECT COUNT(*) FROM messages),
                    (SELECT COUNT(*) FROM messages WHERE available_at > ?1),
                    (SELECT COUNT(*) FROM dead_letters)",
        )
        .bind(self.now_micros())
        .fetch_one(self.pool().await?)
        .await
        .map_err(failed)?;
        let count = |n: i64| u64::try_from(n).unwrap_or(0);
        Ok(Depth { queue: count(total - retry), retry: count(retry), dead_letters: count(dead_letters) })
    }
}

/// Whether a connection that comes back can be used again. A full disk makes SQLite roll
/// back by itself; sqlx then fails to, and takes the connection to be in that
/// transaction for ever.
async fn is_usable(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    // Behind whatever the connection still has to do.
    connection.ping().await?;
    Ok(!connection.is_in_transaction())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use accrue_chassis::clock::SystemClock;
    use uuid::Uuid;

    use Publication::{Confirmed, Unconfirmed};

    use super::super::super::{Destination, Message, Publication, Publisher as _};
    use super::super::publisher::EmbeddedPublisher;
    use super::*;

    #[tokio::test]
    async fn a_full_queue_refuses_what_does_not_fit() {
        let directory = tempfile::tempdir().expect("a directory");
        let url = format!("sqlite:{}", directory.path().join("broker.db").display());
        let mut store = Store::parse(&url, &Topology::default(), Arc::new(SystemClock)).expect("a good URL");
        store.max_length = 5;
        let mut publisher = EmbeddedPublisher::new(Arc::new(store), Destination::Users);
        let window: Vec<_> = (0..3)
            .map(|id| Message {
                id: Uuid::from_u128(id),
                routing_key: "user.registered".to_owned(),
                content_type: String::new(),
                body: vec![1],
                traceparent: None,
            })
            .collect();
        assert_eq!(publisher.publish(&window).await.expect("room"), [Confirmed; 3]);
        let second = publisher.publish(&window).await.expect("some room");
        assert_eq!(second, [Confirmed, Confirmed, Unconfirmed]);
        assert_eq!(publisher.publish(&window).await.expect("no room"), [Unconfirmed; 3]);
    }
}
