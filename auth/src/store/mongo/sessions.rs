//! Sessions in MongoDB: a document a session, rotated by one compare-and-set.

use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use mongodb::bson::{Binary, DateTime, doc};
use mongodb::options::IndexOptions;
use mongodb::{Collection, IndexModel};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use super::document::{binary, from_bson, to_bson};
use super::{MongoStore, StoreError, fault};
use crate::domain::{Rotation, Session, USED_TOKENS};
use crate::store::SessionStore;
use crate::store::digests::one;
use crate::store::used_tokens::{pair, part};

pub(super) const SESSIONS: &str = "sessions";

#[derive(Serialize, Deserialize)]
pub(super) struct SessionDocument {
    #[serde(rename = "_id")]
    session_id: String,
    user_id: String,
    epoch: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<String>,
    created_at: DateTime,
    last_used_at: DateTime,
    expires_at: DateTime,
    current: Binary,
    used: Vec<Binary>,
    /// When the last of them were exchanged.
    #[serde(default)]
    used_at: Vec<DateTime>,
}

/// A user's sessions, newest first; and those that have expired, which the server deletes.
pub(super) fn indexes() -> [IndexModel; 2] {
    let user = IndexOptions::builder().name("sessions_user".to_owned()).build();
    let expiry = IndexOptions::builder()
        .name("sessions_expiry".to_owned())
        .expire_after(std::time::Duration::ZERO)
        .build();
    [
        IndexModel::builder().keys(doc! { "user_id": 1, "_id": -1 }).options(user).build(),
        IndexModel::builder().keys(doc! { "expires_at": 1 }).options(expiry).build(),
    ]
}

impl MongoStore {
    pub(super) fn session_documents(&self) -> Collection<SessionDocument> {
        self.database.collection(SESSIONS)
    }
}

#[async_trait]
impl SessionStore for MongoStore {
    async fn begin_session(&self, session: &Session) -> Result<(), StoreError> {
        let (sessions, document) = (self.session_documents(), SessionDocument::new(session));
        self.calls
            .run(async move {
                match sessions.insert_one(&document).await {
                    Ok(_) => Ok(()),
                    // The id is ours, made a moment ago: whoever has it is this session.
                    Err(error) if fault::is_duplicate_key(&error) => Ok(()),
                    Err(error) => Err(fault::store(error)),
                }
            })
            .await
    }

    async fn session(&self, session_id: Uuid) -> Result<Option<Session>, StoreError> {
        let (sessions, by_id) = (self.session_documents(), doc! { "_id": session_id.to_string() });
        let found =
            self.calls.run(async move { sessions.find_one(by_id).await.map_err(fault::store) }).await?;
        found.map(SessionDocument::read).transpose()
    }

    async fn rotate_session(&self, rotation: &Rotation) -> Result<bool, StoreError> {
        let (sessions, rotation) = (self.session_documents(), rotation.clone());
        self.calls.run(async move { rotate(&sessions, &rotation).await }).await
    }

    async fn sessions_of(
        &self,
        user_id: &str,
        epoch: i64,
        now: OffsetDateTime,
        before: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<Session>, StoreError> {
        let sessions = self.session_documents();
        let mut filter = doc! { "user_id": user_id, "epoch": epoch, "expires_at": { "$gt": to_bson(now) } };
        if let Some(before) = before {
            filter.insert("_id", doc! { "$lt": before.to_string() });
        }
        let documents: Vec<SessionDocument> = self
            .calls
            .run(async move {
                let found = sessions.find(filter).sort(doc! { "_id": -1 }).limit(i64::from(limit));
                found.await.map_err(fault::store)?.try_collect().await.map_err(fault::store)
            })
            .await?;
        documents.into_iter().map(SessionDocument::read).collect()
    }

    async fn carry_session(&self, user_id: &str, session_id: Uuid, epoch: i64) -> Result<bool, StoreError> {
        let sessions = self.session_documents();
        let filter = doc! { "_id": session_id.to_string(), "user_id": user_id, "epoch": epoch - 1 };
        let update = doc! { "$set": { "epoch": epoch } };
        let done = self
            .calls
            .run(async move { sessions.update_one(filter, update).await.map_err(fault::store) })
            .await?;
        Ok(done.matched_count > 0)
    }

    async fn end_session(&self, user_id: &str, session_id: Uuid) -> Result<bool, StoreError> {
        let sessions = self.session_documents();
        let filter = doc! { "_id": session_id.to_string(), "user_id": user_id };
        let done =
            self.calls.run(async move { sessions.delete_one(filter).await.map_err(fault::store) }).await?;
        Ok(done.deleted_count > 0)
    }

    async fn end_sessions(&self, user_id: &str, except: Option<Uuid>) -> Result<u64, StoreError> {
        let sessions = self.session_documents();
        let mut filter = doc! { "user_id": user_id };
        if let Some(except) = except {
            filter.insert("_id", doc! { "$ne": except.to_string() });
        }
        let done =
            self.calls.run(async move { sessions.delete_many(filter).await.map_err(fault::store) }).await?;
        Ok(done.deleted_count)
    }
}

/// One write. Where its answer was lost, the token that is good now tells whether it
/// happened: nobody else knows the new one.
async fn rotate(sessions: &Collection<SessionDocument>, rotation: &Rotation) -> Result<bool, StoreError> {
    let id = rotation.session_id.to_string();
    let at = to_bson(rotation.at);
    let update = doc! {
        "$set": {
            "current": binary(&rotation.to),
            "last_used_at": at,
            "expires_at": to_bson(rotation.expires_at),
        },
        "$push": {
            "used": { "$each": [binary(&rotation.from)], "$slice": -i32::from(USED_TOKENS) },
            "used_at": { "$each": [at], "$slice": -i32::from(USED_TOKENS) },
        },
    };
    let written = sessions.update_one(doc! { "_id": &id, "current": binary(&rotation.from) }, update).await;
    match written {
        Ok(done) if done.matched_count > 0 => Ok(true),
        Err(error) if !fault::may_have_written(&error) => Err(fault::store(error)),
        // Also when nothing matched: the driver may have sent it twice.
        _ => {
            let ours = doc! { "_id": &id, "current": binary(&rotation.to) };
            Ok(sessions.find_one(ours).await.map_err(fault::store)?.is_some())
        }
    }
}

impl SessionDocument {
    fn new(session: &Session) -> Self {
        let (used, used_at) = part(&session.used);
        Self {
            session_id: session.session_id.to_string(),
            user_id: session.user_id.clone(),
            epoch: session.epoch,
            device: session.device.clone(),
            created_at: to_bson(session.created_at),
            last_used_at: to_bson(session.last_used_at),
            expires_at: to_bson(session.expires_at),
            current: binary(&session.current),
            used: used.iter().map(|digest| binary(digest)).collect(),
            used_at: used_at.into_iter().map(to_bson).collect(),
        }
    }

    fn read(self) -> Result<Session, StoreError> {
        Ok(Session {
            session_id: self.session_id.parse().map_err(StoreError::corrupt)?,
            user_id: self.user_id,
            epoch: self.epoch,
            device: self.device,
            created_at: from_bson(self.created_at)?,
            last_used_at: from_bson(self.last_used_at)?,
            expires_at: from_bson(self.expires_at)?,
            current: one(&self.current.bytes)?,
            used: pair(
                self.used.iter().map(|digest| one(&digest.bytes)).collect::<Result<_, _>>()?,
                self.used_at.into_iter().map(from_bson).collect::<Result<_, _>>()?,
            ),
        })
    }
}
