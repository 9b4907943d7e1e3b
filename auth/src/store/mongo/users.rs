//! Users in MongoDB.

use std::sync::Arc;

use accrue_events::outbox::Entry;
use accrue_events::user::UserStatus;
use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use mongodb::Collection;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Document, doc, serialize_to_bson};
use secrecy::{ExposeSecret as _, SecretString};

use super::document::{UserDocument, object_id, to_bson};
use super::{MongoStore, StoreError, changing, fault, registering, rivals, versions};
use crate::domain::{IdempotencyKey, KeptReply, LoginName, NewUser, Replay, User, UserChange};
use crate::store::{Changed, Login, Registration, UserFilter, UserPosition, UserStore, UserVersion};

#[async_trait]
impl UserStore for MongoStore {
    fn new_user_id(&self) -> String {
        ObjectId::new().to_hex()
    }

    async fn register(&self, new: NewUser) -> Result<Registration, StoreError> {
        let (users, handover) = (self.users.clone(), Arc::clone(&self.handover));
        let (lease, until) = handover.lease(self.clock.now()).unzip();
        let entry = Entry { owner: new.user.user_id.clone(), message: new.event.clone() };
        let registering = async move {
            let registered = registering::register(&users, new, lease).await;
            // Not on the way back from here: the process goes on, also when nobody waits.
            match (&registered, until) {
                (Ok(Registration::Registered(_)), Some(until)) => handover.hand(until, entry),
                (Ok(Registration::Registered(_)), None) | (Err(_), _) => handover.ask_for_look(),
                // Nothing was written.
                (Ok(_), _) => {}
            }
            registered
        };
        self.calls.run(registering).await
    }

    async fn kept_reply(&self, key: IdempotencyKey) -> Result<Option<KeptReply>, StoreError> {
        let found = self.find_user(rivals::by_key(&key.digest())).await?;
        found.map(UserDocument::into_kept_reply).transpose()
    }

    async fn login(&self, name: &LoginName) -> Result<Option<Login>, StoreError> {
        let field = match name {
            LoginName::Email(_) => "email",
            LoginName::Username(_) => "username",
        };
        let found = self.find_user(rivals::by_text(field, name.as_str())).await?;
        found.map(UserDocument::into_login).transpose()
    }

    async fn login_of(&self, user_id: &str) -> Result<Option<Login>, StoreError> {
        let Some(id) = object_id(user_id) else {
            return Ok(None);
        };
        self.find_user(doc! { "_id": id }).await?.map(UserDocument::into_login).transpose()
    }

    async fn change(&self, change: UserChange) -> Result<Changed, StoreError> {
        let (users, now) = (self.users.clone(), self.clock.now());
        let handover = Arc::clone(&self.handover);
        let changing = async move {
            let changed = changing::change(&users, change, now).await;
            if let Ok(Changed::Done(user)) = &changed
                && user.status == UserStatus::Deleted
            {
                handover.forget(&user.user_id);
            }
            handover.ask_for_look();
            changed
        };
        self.calls.run(changing).await
    }

    async fn replay(&self, replay: Replay) -> Result<(), StoreError> {
        let (users, handover) = (self.users.clone(), Arc::clone(&self.handover));
        let replaying = async move {
            let replayed = versions::replay(&users, &replay).await;
            handover.ask_for_look();
            replayed
        };
        self.calls.run(replaying).await
    }

    async fn versions(
        &self,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Option<Vec<UserVersion>>, StoreError> {
        let after = match after.map(object_id) {
            Some(None) => return Ok(None),
            after => after.flatten(),
        };
        let users = self.users.clone();
        self.calls.run(async move { versions::versions(&users, after, limit).await.map(Some) }).await
    }

    async fn upgrade_password_hash(
        &self,
        user_id: &str,
        from: &SecretString,
        to: SecretString,
    ) -> Result<bool, StoreError> {
        let Some(id) = object_id(user_id) else {
            return Ok(false);
        };
        let users = self.users.clone();
        let filter = doc! { "_id": id, "password_hash": from.expose_secret() };
        let update = doc! { "$set": { "password_hash": to.expose_secret() } };
        self.calls
            .run(async move {
                let done = users.update_one(filter, update).await.map_err(fault::store)?;
                Ok(done.matched_count > 0)
            })
            .await
    }

    async fn list(
        &self,
        filter: &UserFilter,
        after: Option<&UserPosition>,
        limit: u32,
    ) -> Result<Vec<User>, StoreError> {
        let Some(filter) = listed(*filter, after)? else {
            return Ok(Vec::new());
        };
        let users = self.users.clone();
        let found = self.calls.run(async move { list(&users, filter, limit).await }).await?;
        found.into_iter().map(UserDocument::into_user).collect()
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.ping_server().await
    }
}

impl MongoStore {
    async fn find_user(&self, filter: Document) -> Result<Option<UserDocument>, StoreError> {
        let users = self.users.clone();
        self.calls.run(async move { users.find_one(filter).await.map_err(fault::store) }).await
    }
}

async fn list(
    users: &Collection<UserDocument>,
    filter: Document,
    limit: u32,
) -> Result<Vec<UserDocument>, StoreError> {
    let found = users
        .find(filter)
        .sort(doc! { "created_at": -1, "_id": -1 })
        .limit(i64::from(limit))
        .await
        .map_err(fault::store)?;
    found.try_collect().await.map_err(fault::store)
}

/// The filter of a list; none if nobody can come after that position.
fn listed(filter: UserFilter, after: Option<&UserPosition>) -> Result<Option<Document>, StoreError> {
    let mut listed = Document::new();
    if let Some(status) = filter.status {
        listed.insert("status", serialize_to_bson(&status).map_err(StoreError::corrupt)?);
    }
    if let Some(role) = filter.role {
        listed.insert("roles", role.word());
    }
    if let Some(after) = after {
        let Some(id) = object_id(&after.user_id) else {
            return Ok(None);
        };
        let at = to_bson(after.created_at);
        let later = doc! { "created_at": at, "_id": { "$lt": id } };
        listed.insert("$or", vec![doc! { "created_at": { "$lt": at } }, later]);
    }
    Ok(Some(listed))
}
