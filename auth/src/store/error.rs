//! What goes wrong with a store, in words that name no address and no person.

use std::error::Error;

use accrue_events::outbox::OutboxError;

/// A store's fault. Expected outcomes, such as a taken address, are values instead.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It does not answer, or not in time. Whether a write took effect is not known.
    #[error("the users' database cannot be used right now")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
    /// It holds what this code cannot have written.
    #[error("the users' database holds a record that cannot be read")]
    Corrupt(#[source] Box<dyn Error + Send + Sync>),
}

impl StoreError {
    pub(crate) fn unavailable(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Unavailable(source.into())
    }

    pub(crate) fn corrupt(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Corrupt(source.into())
    }
}

impl From<StoreError> for OutboxError {
    fn from(error: StoreError) -> Self {
        Self(Box::new(error))
    }
}

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The URL is not usable. Trying again changes nothing.
    #[error("the URL of the users' database is not usable: {0}")]
    Settings(String),
    /// The schema is not there and migrating was not asked for. Somebody else may
    /// be about to make it.
    #[error("the users' database lacks {0}: migrate it first")]
    NotMigrated(String),
    /// The server is out of reach. To be tried again with a backoff.
    #[error(transparent)]
    Unavailable(#[from] StoreError),
}

impl OpenError {
    /// Whether the same call may succeed a little later.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        !matches!(self, Self::Settings(_))
    }
}
