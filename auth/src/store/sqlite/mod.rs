//! Users in a SQLite file: for one machine, with the promises of a server.

mod changing;
mod clients;
mod mail;
mod outbox;
mod postings;
mod registering;
mod sessions;
mod signing_keys;
#[cfg(test)]
mod tests;
mod throttles;
mod user_rows;
mod users;
mod versions;

use std::time::Duration;

use accrue_chassis::clock::SharedClock;
use accrue_chassis::private_file;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Connection as _, SqliteConnection};

use super::calls::Calls;
use super::{OpenError, StoreError};

/// Every write takes the write lock before it reads: a transaction that reads
/// first and asks for the lock later may find that it has read an old state.
const BEGIN: &str = "BEGIN IMMEDIATE";
/// How long a write waits for another process that writes the same file.
const BUSY_LIMIT: Duration = Duration::from_secs(4);
/// Before a connection that was refused as busy is asked for again.
const BUSY_PAUSE: Duration = Duration::from_millis(20);
/// Connections that only read; one more writes.
const READERS: u32 = 4;

static MIGRATIONS: Migrator = sqlx::migrate!("../migrations/auth/sqlite");

/// A store of users and outbox entries in a SQLite file.
pub(super) struct SqliteStore {
    writer: SqlitePool,
    readers: SqlitePool,
    calls: Calls,
    clock: SharedClock,
}

impl SqliteStore {
    /// Opens the file, which `migrate` makes where there is none.
    pub(super) async fn open(url: &str, clock: SharedClock, migrate: bool) -> Result<Self, OpenError> {
        let options = options(url)?;
        if migrate {
            // SQLite gives the files that it puts beside it the same permissions.
            private_file::create(options.get_filename())
                .map_err(|error| OpenError::Settings(format!("the file cannot be created: {error}")))?;
        }
        let pool = || {
            SqlitePoolOptions::new()
                .acquire_timeout(BUSY_LIMIT)
                .idle_timeout(None)
                .max_lifetime(None)
                .after_release(|connection, _| Box::pin(is_usable(connection)))
        };
        let writer = pool().max_connections(1).connect_lazy_with(options.clone());
        let calls = Calls::new();
        let schema = writer.clone();
        calls
            .for_migration()
            .run(async move {
                connect(&schema).await?;
                if migrate { apply(&schema).await } else { Ok(()) }
            })
            .await?;
        let readers = pool().max_connections(READERS).connect_lazy_with(options.pragma("query_only", "on"));
        let store = Self { writer, readers, calls, clock };
        store.require_schema().await?;
        Ok(store)
    }

    async fn require_schema(&self) -> Result<(), OpenError> {
        let readers = self.readers.clone();
        let applied = self.calls.run(async move { applied(&readers).await }).await?;
        match MIGRATIONS.iter().find(|migration| !applied.contains(&migration.version)) {
            Some(missing) => Err(OpenError::NotMigrated(format!("migration {}", missing.version))),
            None => Ok(()),
        }
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

fn options(url: &str) -> Result<SqliteConnectOptions, OpenError> {
    let options: SqliteConnectOptions = url
        .parse()
        .map_err(|_| OpenError::Settings("it has to be sqlite: and the path of a file".to_owned()))?;
    if url.contains(":memory:")
        || url.contains("mode=memory")
        || options.get_filename().as_os_str().is_empty()
    {
        return Err(OpenError::Settings("a database in memory keeps no promise; name a file".to_owned()));
    }
    Ok(options
        .create_if_missing(false)
        .journal_mode(SqliteJournalMode::Wal)
        // In WAL mode anything less loses acknowledged commits when the power fails.
        .synchronous(SqliteSynchronous::Full)
        // What is erased of a person is overwritten, not only marked as free.
        .pragma("secure_delete", "on")
        .busy_timeout(BUSY_LIMIT)
        .foreign_keys(true))
}

/// Makes the first connection. Where another process makes its first one at the
/// same moment, one of them is refused the change to WAL mode, which SQLite does
/// not wait for as it waits for a write lock; it is asked for again.
async fn connect(writer: &SqlitePool) -> Result<(), StoreError> {
    let mut waited = Duration::ZERO;
    loop {
        match writer.acquire().await {
            Ok(_) => return Ok(()),
            Err(error) if is_busy(&error) && waited < BUSY_LIMIT => {
                waited += BUSY_PAUSE;
                tokio::time::sleep(BUSY_PAUSE).await;
            }
            Err(error) => return Err(fault(error)),
        }
    }
}

fn is_busy(error: &sqlx::Error) -> bool {
    // Extended codes carry the kind in their low byte; 5 is SQLITE_BUSY.
    let code = error.as_database_error().and_then(|error| error.code()?.parse::<u32>().ok());
    code.is_some_and(|code| code & 0xff == 5)
}

/// Brings the schema up to date in one transaction, under the file's write lock:
/// of two processes that start at once, the second finds it done.
async fn apply(writer: &SqlitePool) -> Result<(), StoreError> {
    let mut transaction = writer.begin_with(BEGIN).await.map_err(fault)?;
    MIGRATIONS.run_direct(None, &mut *transaction, false).await.map_err(|error| match error {
        MigrateError::Execute(error) => fault(error),
        other => StoreError::corrupt(other),
    })?;
    transaction.commit().await.map_err(fault)
}

/// The versions of the migrations that the file has; none if it was never migrated.
async fn applied(readers: &SqlitePool) -> Result<Vec<i64>, StoreError> {
    let is_there: Option<i64> =
        sqlx::query_scalar("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = '_sqlx_migrations'")
            .fetch_optional(readers)
            .await
            .map_err(fault)?;
    if is_there.is_none() {
        return Ok(Vec::new());
    }
    sqlx::query_scalar("SELECT version FROM _sqlx_migrations WHERE success")
        .fetch_all(readers)
        .await
        .map_err(fault)
}

/// SQLite's messages name tables and columns, never values: they may be told.
fn fault(error: sqlx::Error) -> StoreError {
    match error {
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::ColumnNotFound(_) => {
            StoreError::corrupt(error)
        }
        other => StoreError::unavailable(other),
    }
}
