//! Users in MongoDB: one document a user, its outbox inside, so that one write is
//! atomic on any server, without a transaction.

mod changing;
mod clients;
mod document;
mod fault;
mod handover;
mod leaving;
mod mail;
mod mail_fields;
mod mail_leases;
mod outbox;
mod registering;
mod rivals;
mod schema;
mod sessions;
mod signing_keys;
mod throttles;
mod users;
mod versions;

use std::sync::Arc;
use std::time::Duration;

use accrue_chassis::clock::SharedClock;
use mongodb::options::{
    Acknowledgment, ClientOptions, ReadConcern, ReadPreference, SelectionCriteria, WriteConcern,
};
use mongodb::{Client, Collection, Database};

use self::document::UserDocument;
use self::handover::Handover;
use super::calls::Calls;
use super::{OpenError, StoreError};

/// The database, where the URL names none.
const DEFAULT_DATABASE: &str = "accrue_auth";
/// The collection of users.
const USERS: &str = "users";
/// How long the driver looks for its server: short, so that a request is answered
/// by its deadline when the server is away.
const SERVER_LIMIT: Duration = Duration::from_secs(3);
/// How long the server waits for a majority of its members before it says that it
/// does not know.
const MAJORITY_LIMIT: Duration = Duration::from_secs(4);

/// A store of users and outbox entries in MongoDB.
pub(super) struct MongoStore {
    database: Database,
    users: Collection<UserDocument>,
    calls: Calls,
    clock: SharedClock,
    handover: Arc<Handover>,
}

impl MongoStore {
    /// Connects, and makes the indexes if `migrate`; else insists that they are there.
    pub(super) async fn open(url: &str, clock: SharedClock, migrate: bool) -> Result<Self, OpenError> {
        let options = options(url).await?;
        let name = options.default_database.clone().unwrap_or_else(|| DEFAULT_DATABASE.to_owned());
        let client = Client::with_options(options).map_err(fault::settings)?;
        let database = client.database(&name);
        let users = database.collection(USERS);
        let store = Self { database, users, calls: Calls::new(), clock, handover: Arc::default() };
        store.ping_server().await?;
        if migrate {
            store.create_indexes().await?;
        } else {
            store.require_indexes().await?;
        }
        Ok(store)
    }

    async fn ping_server(&self) -> Result<(), StoreError> {
        let database = self.database.clone();
        self.calls
            .run(async move {
                let ping = mongodb::bson::doc! { "ping": 1 };
                database.run_command(ping).await.map(drop).map_err(fault::store)
            })
            .await
    }
}

/// The URL's options, with those replaced on which our promises rest: a write is
/// answered when it is in the journals of a majority, and a read sees only such writes.
async fn options(url: &str) -> Result<ClientOptions, OpenError> {
    let mut options = ClientOptions::parse(url).await.map_err(fault::settings)?;
    let write_concern =
        WriteConcern::builder().w(Acknowledgment::Majority).journal(true).w_timeout(MAJORITY_LIMIT).build();
    options.write_concern = Some(write_concern);
    options.read_concern = Some(ReadConcern::majority());
    options.selection_criteria = Some(SelectionCriteria::ReadPreference(ReadPreference::Primary));
    options.server_selection_timeout.get_or_insert(SERVER_LIMIT);
    options.connect_timeout.get_or_insert(SERVER_LIMIT);
    options.app_name.get_or_insert_with(|| "accrue-auth".to_owned());
    Ok(options)
}

#[cfg(test)]
mod handing_tests;
#[cfg(test)]
mod tests;
