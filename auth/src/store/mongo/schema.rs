//! The indexes of the users, made so that making them again changes nothing.

use mongodb::IndexModel;
use mongodb::bson::{Document, doc};
use mongodb::error::ErrorKind;
use mongodb::options::IndexOptions;

use super::{MongoStore, OpenError, StoreError, fault, sessions, throttles};

/// One user an address.
const EMAIL: &str = "users_email";
/// One user a username.
const USERNAME: &str = "users_username";
/// Users by their age.
const NEWEST: &str = "users_newest";
/// One user an idempotency key.
const KEY: &str = "users_idempotency_key";
/// The users whose outbox holds something, and no others.
const OUTBOX: &str = "users_outbox_due";
/// The users for whom a mail waits, and no others.
const MAIL: &str = "users_mail_due";
/// The user who holds a ticket.
const VERIFY_TICKET: &str = "users_verify_ticket";
/// As above.
const RESET_TICKET: &str = "users_reset_ticket";

/// The server's code for a collection that is not there.
const NAMESPACE_NOT_FOUND: i32 = 26;

/// The unique ones are partial: over a field that may be missing, a plain unique
/// index admits one document without it.
fn indexes() -> [IndexModel; 8] {
    let newest = IndexOptions::builder().name(NEWEST.to_owned()).build();
    [
        index(USERNAME, doc! { "username": 1 }, doc! { "username": { "$type": "string" } }, true),
        IndexModel::builder().keys(doc! { "created_at": -1, "_id": -1 }).options(newest).build(),
        index(EMAIL, doc! { "email": 1 }, doc! { "email": { "$type": "string" } }, true),
        index(KEY, doc! { "idempotency.key": 1 }, doc! { "idempotency.key": { "$type": "binData" } }, true),
        index(OUTBOX, doc! { "outbox_due": 1 }, doc! { "outbox_due": { "$exists": true } }, false),
        index(MAIL, doc! { "mail_due": 1 }, doc! { "mail_due": { "$exists": true } }, false),
        index(
            VERIFY_TICKET,
            doc! { "tickets.verify.digest": 1 },
            binary_only("tickets.verify.digest"),
            false,
        ),
        index(RESET_TICKET, doc! { "tickets.reset.digest": 1 }, binary_only("tickets.reset.digest"), false),
    ]
}

fn binary_only(field: &str) -> Document {
    doc! { field: { "$type": "binData" } }
}

fn index(name: &str, keys: Document, only: Document, unique: bool) -> IndexModel {
    let options =
        IndexOptions::builder().name(name.to_owned()).partial_filter_expression(only).unique(unique).build();
    IndexModel::builder().keys(keys).options(options).build()
}

impl MongoStore {
    pub(super) async fn create_indexes(&self) -> Result<(), StoreError> {
        let (users, throttles) = (self.users.clone(), self.throttles());
        let sessions = self.session_documents();
        self.calls
            .for_migration()
            .run(async move {
                users.create_indexes(indexes()).await.map_err(fault::store)?;
                sessions.create_indexes(sessions::indexes()).await.map_err(fault::store)?;
                throttles.create_index(throttles::index()).await.map(drop).map_err(fault::store)
            })
            .await
    }

    /// Without the unique indexes two people could register one address, so a
    /// store that lacks them is not opened.
    pub(super) async fn require_indexes(&self) -> Result<(), OpenError> {
        let users = self.users.clone();
        let names = self
            .calls
            .run(async move {
                match users.list_index_names().await {
                    Ok(names) => Ok(names),
                    Err(error) if is_missing_collection(&error) => Ok(Vec::new()),
                    Err(error) => Err(fault::store(error)),
                }
            })
            .await?;
        match [EMAIL, USERNAME, KEY, OUTBOX, NEWEST, MAIL, VERIFY_TICKET, RESET_TICKET]
            .into_iter()
            .find(|name| !names.iter().any(|other| other == name))
        {
            Some(missing) => Err(OpenError::NotMigrated(format!("the index {missing}"))),
            None => Ok(()),
        }
    }
}

fn is_missing_collection(error: &mongodb::error::Error) -> bool {
    matches!(error.kind.as_ref(), ErrorKind::Command(failure) if failure.code == NAMESPACE_NOT_FOUND)
}
