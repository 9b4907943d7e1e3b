//! Where users are kept: the port, and the one place that picks its adapter.

mod calls;
mod clients;
mod digests;
mod error;
mod mail;
mod mongo;
mod sessions;
mod signing_keys;
mod sqlite;
mod throttles;
mod used_tokens;
mod users;

use std::sync::Arc;

use accrue_chassis::clock::SharedClock;
use accrue_events::outbox::Outbox;

pub use clients::ClientStore;
pub use error::{OpenError, StoreError};
pub use mail::{ClaimedMail, MailClaim, MailStore};
pub use sessions::SessionStore;
pub use signing_keys::SigningKeyStore;
pub use throttles::{Throttle, ThrottleStore};
pub use users::{Changed, Login, Registration, UserFilter, UserPosition, UserStore, UserVersion};

/// A store of users, the outbox that is written with them, and everything that lets
/// them in.
pub trait AuthStore:
    UserStore + Outbox + ThrottleStore + MailStore + SessionStore + ClientStore + SigningKeyStore
{
}

impl<S> AuthStore for S where
    S: UserStore + Outbox + ThrottleStore + MailStore + SessionStore + ClientStore + SigningKeyStore
{
}

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
