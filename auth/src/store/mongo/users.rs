//! Registering and finding users in MongoDB.

use std::time::Duration;

use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use mongodb::Collection;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Binary, Document, doc};

use super::document::{UserDocument, binary, object_id};
use super::{MongoStore, StoreError, fault};
use crate::domain::{IdempotencyKey, KeptReply, NewUser, User};
use crate::store::{Registration, UserStore};

/// How often and how far apart the user is looked for who stands in the way. The
/// index refuses a write as soon as another is under way; reads see that other
/// only when a majority of the servers has it.
const LOOKS: usize = 40;
const LOOK_PAUSE: Duration = Duration::from_millis(50);

#[async_trait]
impl UserStore for MongoStore {
    fn new_user_id(&self) -> String {
        ObjectId::new().to_hex()
    }

    async fn register(&self, new: NewUser) -> Result<Registration, StoreError> {
        let document = UserDocument::new(&new)?;
        let users = self.users.clone();
        self.calls.run(async move { insert(&users, document, new.user).await }).await
    }

    async fn kept_reply(&self, key: IdempotencyKey) -> Result<Option<KeptReply>, StoreError> {
        let users = self.users.clone();
        let found = self
            .calls
            .run(async move { users.find_one(by_key(&binary(&key.digest()))).await.map_err(fault::store) })
            .await?;
        found.map(UserDocument::into_kept_reply).transpose()
    }

    async fn user(&self, user_id: &str) -> Result<Option<User>, StoreError> {
        let Some(id) = object_id(user_id) else {
            return Ok(None);
        };
        let users = self.users.clone();
        let found = self
            .calls
            .run(async move { users.find_one(doc! { "_id": id }).await.map_err(fault::store) })
            .await?;
        found.map(UserDocument::into_user).transpose()
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.ping_server().await
    }
}

/// One insert. Its id is ours, so whatever the answer was, and however often the
/// driver sent it, reading by that id tells whether it happened.
async fn insert(
    users: &Collection<UserDocument>,
    document: UserDocument,
    user: User,
) -> Result<Registration, StoreError> {
    match users.insert_one(&document).await {
        Ok(_) => Ok(Registration::Registered(user)),
        Err(error) if fault::is_duplicate_key(&error) => settle_conflict(users, &document, user).await,
        Err(error) if fault::may_have_written(&error) => {
            let ours = users.find_one(doc! { "_id": document.id }).await;
            match ours {
                Ok(Some(_)) => Ok(Registration::Registered(user)),
                Ok(None) | Err(_) => Err(fault::store(error)),
            }
        }
        Err(error) => Err(fault::store(error)),
    }
}

/// Finds out which unique value was there already: our own id, if an insert that
/// seemed lost had arrived; else the key; else the address.
async fn settle_conflict(
    users: &Collection<UserDocument>,
    document: &UserDocument,
    user: User,
) -> Result<Registration, StoreError> {
    for _ in 0..LOOKS {
        let rivals = users.find(rivals_of(document)).await.map_err(fault::store)?;
        let rivals: Vec<UserDocument> = rivals.try_collect().await.map_err(fault::store)?;
        if rivals.iter().any(|rival| rival.id == document.id) {
            return Ok(Registration::Registered(user));
        }
        let is_same_email = rivals.iter().any(|rival| rival.has_email(document));
        if let Some(rival) = rivals.into_iter().find(|rival| rival.has_key(document)) {
            return rival.into_kept_reply().map(Registration::KeyUsed);
        }
        if is_same_email {
            return Ok(Registration::EmailTaken);
        }
        tokio::time::sleep(LOOK_PAUSE).await;
    }
    Err(StoreError::unavailable("a write was refused as a duplicate of one that cannot be seen"))
}

fn rivals_of(document: &UserDocument) -> Document {
    let mut either = vec![doc! { "_id": document.id }, by_email(document.email())];
    either.extend(document.key().map(by_key));
    doc! { "$or": either }
}

/// The type is named because the index is partial: the server uses it only for
/// queries that say as much as its filter.
fn by_email(email: &str) -> Document {
    doc! { "email": { "$eq": email, "$type": "string" } }
}

fn by_key(key: &Binary) -> Document {
    doc! { "idempotency.key": { "$eq": key.clone(), "$type": "binData" } }
}
