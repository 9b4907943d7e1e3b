//! What can go wrong with a store, told by what the caller can do about it.

use accrue_events::outbox::OutboxError;
use sqlx::error::ErrorKind;

use crate::ledger::Overdrawn;

/// A store failed. Its text names no value; the source may.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Out of reach, overloaded or busy: the same call may succeed a little later.
    #[error("the accounting database cannot be used right now")]
    Unavailable(#[source] sqlx::Error),
    /// It takes no writes: a standby, or a disk that was made read-only.
    #[error("the accounting database takes no writes")]
    ReadOnly,
    /// An account stayed locked by somebody else.
    #[error("an account stayed locked by somebody else")]
    Locked,
    /// No answer in time. Whether it took effect is not known.
    #[error("the accounting database did not answer in time")]
    TimedOut,
    /// The database refuses a value or a constraint was about to break. Trying
    /// again is of no use.
    #[error("the accounting database refused a value")]
    Refused(#[source] sqlx::Error),
    /// What is stored is not what this release can read.
    #[error("the accounting database holds what cannot be read: {0}")]
    Corrupt(String),
}

impl StoreError {
    /// Whether the same call may succeed a little later.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::TimedOut | Self::ReadOnly | Self::Locked)
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error;
        match &error {
            Error::Database(fault) => match fault.kind() {
                ErrorKind::UniqueViolation
                | ErrorKind::ForeignKeyViolation
                | ErrorKind::NotNullViolation
                | ErrorKind::CheckViolation => Self::Refused(error),
                // Class 22 of the SQL standard: data exceptions, such as a NUL in a text.
                _ if fault.code().is_some_and(|code| code.len() == 5 && code.starts_with("22")) => {
                    Self::Refused(error)
                }
                _ if fault.code().as_deref() == Some("55P03") => Self::Locked,
                // Time-outs, restarts, full disks, rights and tables that are not there: all of
                // them pass once time or an operator has acted.
                _ => Self::Unavailable(error),
            },
            Error::ColumnDecode { .. }
            | Error::Decode(_)
            | Error::ColumnNotFound(_)
            | Error::ColumnIndexOutOfBounds { .. }
            | Error::TypeNotFound { .. }
            | Error::RowNotFound => Self::Corrupt(error.to_string()),
            Error::Encode(_) => Self::Refused(error),
            _ => Self::Unavailable(error),
        }
    }
}

impl From<Overdrawn> for StoreError {
    fn from(overdrawn: Overdrawn) -> Self {
        Self::Corrupt(overdrawn.to_string())
    }
}

impl From<StoreError> for OutboxError {
    fn from(error: StoreError) -> Self {
        Self(Box::new(error))
    }
}

/// A store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The settings are wrong: no try will succeed.
    #[error("the URL of the accounting database is not usable: {0}")]
    Settings(String),
    /// The server is out of reach or not ready.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The schema is not there, and migrating was not asked for.
    #[error(
        "the accounting database lacks migration {0}: run `accrue migrate`, or start without --no-migrate"
    )]
    NotMigrated(i64),
    /// What was booked before there was a hash chain has none yet.
    #[error(
        "the accounting database holds entries without a hash: run `accrue migrate`, or start without --no-migrate"
    )]
    NotSealed,
    /// The schema could not be brought up to date.
    #[error("the accounting database's schema could not be brought up to date")]
    Migrate(#[source] sqlx::migrate::MigrateError),
}

impl OpenError {
    /// Whether the same call may succeed a little later.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Store(error) => error.is_passing(),
            // Somebody else may be about to migrate.
            Self::NotMigrated(_) | Self::NotSealed => true,
            Self::Settings(_) | Self::Migrate(_) => false,
        }
    }
}

impl From<sqlx::Error> for OpenError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<sqlx::migrate::MigrateError> for OpenError {
    fn from(error: sqlx::migrate::MigrateError) -> Self {
        match error {
            sqlx::migrate::MigrateError::Execute(error)
            | sqlx::migrate::MigrateError::ExecuteMigration(error, _) => error.into(),
            other => Self::Migrate(other),
        }
    }
}
