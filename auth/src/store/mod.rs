//! Where users are kept: the port, and the one place that picks its adapter.

mod calls;
mod error;
mod mongo;
mod sqlite;

use std::sync::Arc;

use accrue_chassis::clock::SharedClock;
use accrue_events::outbox::Outbox;
use async_trait::async_trait;

pub use error::{OpenError, StoreError};

use crate::domain::{IdempotencyKey, KeptReply, NewUser, User};

/// The users. Every method is one transaction, or one document's write, which
/// takes effect whole or not at all, wherever the process dies.
#[async_trait]
pub trait UserStore: Send + Sync + 'static {
    /// An id for a user to come, in this store's own form.
    fn new_user_id(&self) -> String;

    /// Writes a user, the event that tells of them, and the reply kept for their
    /// idempotency key, together. What is not `Registered` wrote nothing.
    ///
    /// # Errors
    /// [`StoreError`]. After `Unavailable` the user may have been written.
    async fn register(&self, new: NewUser) -> Result<Registration, StoreError>;

    /// What was kept of the registration that came with `key`.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn kept_reply(&self, key: IdempotencyKey) -> Result<Option<KeptReply>, StoreError>;

    /// The user of this id. Text that can be no id of this store names nobody.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn user(&self, user_id: &str) -> Result<Option<User>, StoreError>;

    /// Whether the store answers.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn ping(&self) -> Result<(), StoreError>;
}

/// What came of a registration.
#[derive(Debug)]
pub enum Registration {
    /// The user is written, and the event waits in the outbox.
    Registered(User),
    /// Somebody else has the address.
    EmailTaken,
    /// The idempotency key came with an earlier registration, of this request or of another.
    KeyUsed(KeptReply),
}

/// A store of users and the outbox that is written with them.
pub trait AuthStore: UserStore + Outbox {}

impl<S: UserStore + Outbox> AuthStore for S {}

/// The adapters, by the scheme of the URL.
enum Adapter {
    Mongo,
    Sqlite,
}

fn adapter(url: &str) -> Result<Adapter, OpenError> {
    match url.split_once(':').map(|(scheme, _)| scheme) {
        Some("mongodb" | "mongodb+srv") => Ok(Adapter::Mongo),
        Some("sqlite") => Ok(Adapter::Sqlite),
        _ => {
            Err(OpenError::Settings("it has to begin with mongodb://, mongodb+srv:// or sqlite:".to_owned()))
        }
    }
}

/// Whether some adapter takes `url`, as far as that can be told without opening it.
///
/// # Errors
/// [`OpenError::Settings`].
pub fn check_url(url: &str) -> Result<(), OpenError> {
    adapter(url).map(drop)
}

/// Opens the store at `url`, in the database that it names, else `accrue_auth`.
/// With `migrate` it brings the schema up to date first, at most one process at a
/// time, or so that doing it twice does no harm.
///
/// # Errors
/// [`OpenError`], which tells what to give up on from what to try again.
pub async fn open(url: &str, clock: SharedClock, migrate: bool) -> Result<Arc<dyn AuthStore>, OpenError> {
    match adapter(url)? {
        Adapter::Mongo => Ok(Arc::new(mongo::MongoStore::open(url, clock, migrate).await?)),
        Adapter::Sqlite => Ok(Arc::new(sqlite::SqliteStore::open(url, clock, migrate).await?)),
    }
}
