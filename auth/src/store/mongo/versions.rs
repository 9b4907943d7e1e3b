//! Users by id, and the events of replays, in MongoDB.

use accrue_events::user::UserStatus;
use futures_util::TryStreamExt as _;
use mongodb::Collection;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Bson, Document, doc, serialize_to_bson};
use serde::Deserialize;

use super::document::{OutboxEntry, UserDocument, object_id, to_bson, to_bson_uuid};
use super::{StoreError, fault};
use crate::domain::Replay;
use crate::store::UserVersion;

/// What is read of a user.
#[derive(Deserialize)]
struct VersionDocument {
    #[serde(rename = "_id")]
    id: ObjectId,
    version: i64,
    status: UserStatus,
}

/// One write of one document, as of every event. No match: the user is at another version, and
/// its event has been written, or this one waits.
pub(super) async fn replay(users: &Collection<UserDocument>, replay: &Replay) -> Result<(), StoreError> {
    let Some(id) = object_id(&replay.user_id) else { return Ok(()) };
    let event = to_bson_uuid(replay.event.id);
    let filter = doc! { "_id": id, "version": replay.version, "outbox.id": { "$ne": event } };
    let entry: Bson = serialize_to_bson(&OutboxEntry::from(&replay.event)).map_err(StoreError::corrupt)?;
    let update = doc! {
        "$push": { "outbox": entry },
        "$min": { "outbox_due": to_bson(replay.queued_at) },
    };
    users.update_one(filter, update).await.map(drop).map_err(fault::store)
}

/// Ids are kept as twelve bytes, and their hexadecimal digits sort as these do.
pub(super) async fn versions(
    users: &Collection<UserDocument>,
    after: Option<ObjectId>,
    limit: u32,
) -> Result<Vec<UserVersion>, StoreError> {
    let filter = after.map_or_else(Document::new, |after| doc! { "_id": { "$gt": after } });
    let found = users
        .clone_with_type::<VersionDocument>()
        .find(filter)
        .projection(doc! { "version": 1, "status": 1 })
        .sort(doc! { "_id": 1 })
        .limit(i64::from(limit))
        .await
        .map_err(fault::store)?;
    let found: Vec<VersionDocument> = found.try_collect().await.map_err(fault::store)?;
    let version = |one: VersionDocument| UserVersion {
        user_id: one.id.to_hex(),
        version: one.version,
        status: one.status,
    };
    Ok(found.into_iter().map(version).collect())
}
