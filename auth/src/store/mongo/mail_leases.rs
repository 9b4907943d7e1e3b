//! Which users' mail is leased, and until when.

use std::time::Duration;

use futures_util::TryStreamExt as _;
use mongodb::Collection;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Document, doc};
use serde::Deserialize;
use time::OffsetDateTime;
use uuid::Uuid;

use super::document::{UserDocument, to_bson, to_bson_uuid};
use super::mail_fields::MailDocument;
use super::{StoreError, fault};
use crate::domain::MailKind;
use crate::store::MailClaim;

#[derive(Deserialize)]
struct Due {
    #[serde(rename = "_id")]
    id: ObjectId,
}

/// Users after this one with mail that is sealed under another key than this one.
pub(super) fn not_under(key_id: &str, after: Option<ObjectId>) -> Document {
    let other = MailKind::ALL.map(|kind| {
        doc! { format!("mail.{}.key_id", kind.word()): { "$exists": true, "$ne": key_id } }
    });
    let mut filter = doc! { "mail_due": { "$exists": true }, "$or": other.to_vec() };
    filter.extend(after.map(|after| ("_id".to_owned(), doc! { "$gt": after }.into())));
    filter
}

pub(super) async fn claim(
    users: &Collection<UserDocument>,
    limit: usize,
    now: OffsetDateTime,
    lease: Duration,
) -> Result<MailClaim, StoreError> {
    let token = Uuid::new_v4();
    let due = users
        .clone_with_type::<Due>()
        .find(claimable(now, lease))
        .projection(doc! { "_id": 1 })
        .sort(doc! { "mail_due": 1 })
        .limit(i64::try_from(limit).unwrap_or(i64::MAX))
        .await
        .map_err(fault::store)?;
    let owners: Vec<ObjectId> = due.map_ok(|due| due.id).try_collect().await.map_err(fault::store)?;
    if owners.is_empty() {
        return Ok(MailClaim { token, mails: Vec::new() });
    }
    let mut free = claimable(now, lease);
    free.insert("_id", doc! { "$in": &owners });
    let hold = doc! { "token": to_bson_uuid(token), "until": to_bson(now + lease) };
    users.update_many(free, doc! { "$set": { "mail_lease": hold } }).await.map_err(fault::store)?;
    let held_by_us = users
        .clone_with_type::<MailDocument>()
        .find(held(&owners, token))
        .projection(doc! { "mail": 1, "mail_tries": 1 })
        .await
        .map_err(fault::store)?;
    let documents: Vec<MailDocument> = held_by_us.try_collect().await.map_err(fault::store)?;
    // Whoever died after the last mail of a user left them due with nothing to send.
    let empty: Vec<_> = documents.iter().filter(|held| held.mail.is_empty()).map(|held| held.id).collect();
    if !empty.is_empty() {
        release(users, &empty, token).await?;
    }
    let mails: Result<Vec<_>, _> = documents.into_iter().map(MailDocument::into_mails).collect();
    Ok(MailClaim { token, mails: mails?.concat() })
}

/// As with the outbox, but for mail that is put off until it is due.
fn claimable(now: OffsetDateTime, lease: Duration) -> Document {
    doc! {
        "mail_due": { "$exists": true, "$lte": to_bson(now) },
        "$or": [
            { "mail_lease": null },
            { "mail_lease.until": { "$lte": to_bson(now) } },
            { "mail_lease.until": { "$gt": to_bson(now + 2 * lease) } },
        ],
    }
}

/// A second update, matched by the empty field, as with the outbox: a mail may have
/// been posted since the first, and must stay due.
pub(super) async fn release(
    users: &Collection<UserDocument>,
    owners: &[ObjectId],
    token: Uuid,
) -> Result<(), StoreError> {
    let unset = doc! { "$unset": { "mail_lease": "" } };
    users.update_many(held(owners, token), unset).await.map_err(fault::store)?;
    let nothing: Vec<Document> = MailKind::ALL
        .iter()
        .map(|kind| doc! { format!("mail.{}", kind.word()): { "$exists": false } })
        .collect();
    let empty = doc! { "_id": { "$in": owners }, "$and": nothing };
    let unset = doc! { "$unset": { "mail_due": "", "mail_tries": "" } };
    users.update_many(empty, unset).await.map(drop).map_err(fault::store)
}

pub(super) fn held(owners: &[ObjectId], token: Uuid) -> Document {
    doc! { "_id": { "$in": owners }, "mail_lease.token": to_bson_uuid(token) }
}
