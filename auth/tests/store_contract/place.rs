//! Where a check's stores live, and what it registers in them.

use std::sync::Arc;

use accrue_auth::domain::{DisplayName, EmailAddress, IdempotencyKey, NewUser, Profile};
use accrue_auth::store::{self, AuthStore, OpenError, Registration};
use accrue_chassis::clock::{ManualClock, SharedClock};
use accrue_testkit::TestMongo;
use time::macros::datetime;

/// A database of one adapter that nobody else uses.
pub(crate) enum Place {
    Sqlite(tempfile::TempDir),
    Mongo(TestMongo),
}

impl Place {
    pub(crate) fn sqlite() -> Self {
        Self::Sqlite(accrue_testkit::data_dir())
    }

    pub(crate) async fn mongodb() -> Option<Self> {
        accrue_testkit::mongodb().await.map(Self::Mongo)
    }

    pub(crate) fn url(&self) -> String {
        match self {
            Self::Sqlite(directory) => format!("sqlite:{}", directory.path().join("auth.db").display()),
            Self::Mongo(database) => database.url().to_owned(),
        }
    }

    /// A store on this database, as one process would have it.
    pub(crate) async fn store(&self, clock: &Arc<ManualClock>) -> Arc<dyn AuthStore> {
        open(&self.url(), Arc::clone(clock)).await.expect("a store")
    }

    pub(crate) async fn end(self) {
        if let Self::Mongo(database) = self {
            database.drop_database().await;
        }
    }
}

pub(crate) async fn open(url: &str, clock: Arc<ManualClock>) -> Result<Arc<dyn AuthStore>, OpenError> {
    let clock: SharedClock = clock;
    store::open(url, clock, true).await
}

/// A clock that stands still.
pub(crate) fn now() -> Arc<ManualClock> {
    ManualClock::new(datetime!(2026-01-02 03:04:05.678901 UTC))
}

/// A registration of `name`@example.com under the id that the store gives.
pub(crate) fn new_user(store: &dyn AuthStore, clock: &Arc<ManualClock>, name: &str) -> NewUser {
    use accrue_chassis::clock::Clock as _;
    let email = EmailAddress::parse(&format!("{name}@example.com")).expect("an address");
    let display_name = DisplayName::parse(&format!("{name} the First")).expect("a name");
    let hash = format!("hash of {name}'s password");
    let traceparent = Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned());
    let profile = Profile { display_name: Some(display_name), ..Profile::of(email) };
    NewUser::new(store.new_user_id(), profile, Some(hash.into()), clock.now(), traceparent)
}

pub(crate) fn key(text: &str) -> IdempotencyKey {
    IdempotencyKey::parse(text.as_bytes()).expect("a key")
}

/// Registers `name` and gives the id.
pub(crate) async fn register(store: &dyn AuthStore, clock: &Arc<ManualClock>, name: &str) -> String {
    match store.register(new_user(store, clock, name)).await.expect("a store that works") {
        Registration::Registered(user) => user.user_id,
        other => panic!("{name} was not registered: {other:?}"),
    }
}
