//! Who stands in the way of a write that a unique index refused.

use std::time::Duration;

use futures_util::TryStreamExt as _;
use mongodb::Collection;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Document, doc};

use super::document::{UserDocument, binary};
use super::{StoreError, fault};
use crate::domain::{Digest, User};

/// How often and how far apart the user is looked for who stands in the way. The
/// index refuses a write as soon as another is under way; reads see that other
/// only when a majority of the servers has it.
const LOOKS: usize = 40;
const LOOK_PAUSE: Duration = Duration::from_millis(50);

/// Who already has what a write would have given to another.
pub(super) enum Rival {
    /// The same write: one that seemed lost had arrived.
    Itself,
    /// Whoever registered with the key.
    Key(Box<UserDocument>),
    Email,
    Username,
}

/// Finds out which unique value was there already: our own id, else the key, else
/// the address, else the username. A write to a document that was there before is
/// no rival of itself.
pub(super) async fn find(
    users: &Collection<UserDocument>,
    (id, is_new): (ObjectId, bool),
    user: &User,
    key: Option<&Digest>,
) -> Result<Rival, StoreError> {
    for _ in 0..LOOKS {
        let found = users.find(rivals_of(id, is_new, user, key)).await.map_err(fault::store)?;
        let found: Vec<UserDocument> = found.try_collect().await.map_err(fault::store)?;
        if let Some(rival) = pick(found, id, user, key) {
            return Ok(rival);
        }
        tokio::time::sleep(LOOK_PAUSE).await;
    }
    Err(StoreError::unavailable("a write was refused as a duplicate of one that cannot be seen"))
}

fn pick(mut found: Vec<UserDocument>, id: ObjectId, user: &User, key: Option<&Digest>) -> Option<Rival> {
    if found.iter().any(|rival| rival.id == id) {
        return Some(Rival::Itself);
    }
    if let Some(keyed) = found.iter().position(|rival| rival.has_key(key)) {
        return Some(Rival::Key(Box::new(found.swap_remove(keyed))));
    }
    if found.iter().any(|rival| rival.has_email(user.email.as_ref())) {
        return Some(Rival::Email);
    }
    found.iter().any(|rival| rival.has_username(user.username.as_ref())).then_some(Rival::Username)
}

fn rivals_of(id: ObjectId, is_new: bool, user: &User, key: Option<&Digest>) -> Document {
    let mut either = Vec::new();
    either.extend(user.email.as_ref().map(|email| by_text("email", email.as_str())));
    either.extend(user.username.as_ref().map(|name| by_text("username", name.as_str())));
    if !is_new {
        return doc! { "_id": { "$ne": id }, "$or": either };
    }
    either.push(doc! { "_id": id });
    either.extend(key.map(by_key));
    doc! { "$or": either }
}

/// The type is named because the index is partial: the server uses it only for
/// queries that say as much as its filter.
pub(super) fn by_text(field: &str, text: &str) -> Document {
    doc! { field: { "$eq": text, "$type": "string" } }
}

/// As with texts.
pub(super) fn by_key(key: &Digest) -> Document {
    doc! { "idempotency.key": { "$eq": binary(key), "$type": "binData" } }
}
