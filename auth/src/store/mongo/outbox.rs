//! The outbox inside the users' documents: leased by document, emptied by entry.

use std::time::Duration;

use accrue_events::outbox::{Backlog, Claim, Entry, Outbox, OutboxError};
use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use mongodb::Collection;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{DateTime, Document, Uuid as BsonUuid, doc};
use serde::Deserialize;
use time::OffsetDateTime;
use uuid::Uuid;

use super::document::{OutboxDocument, UserDocument, from_bson, object_id, to_bson, to_bson_uuid};
use super::handover::Next;
use super::{MongoStore, StoreError, fault};

/// How often one claim looks while something is written meanwhile.
const LOOKS: usize = 2;
/// How often a claim looks again when others were faster.
const CLAIM_TRIES: usize = 3;

#[derive(Deserialize)]
struct Due {
    #[serde(rename = "_id")]
    id: ObjectId,
    outbox_due: DateTime,
}

#[async_trait]
impl Outbox for MongoStore {
    async fn claim(&self, limit: usize, lease: Duration) -> Result<Claim, OutboxError> {
        let nothing = Claim { token: Uuid::nil(), entries: Vec::new() };
        for _ in 0..LOOKS {
            // A look can take long, and what is leased by an old time has hardly any left.
            let now = self.clock.now();
            match self.handover.next(limit, now) {
                Next::Take(claim) => return Ok(claim),
                Next::Rest => return Ok(nothing),
                Next::Look => {}
            }
            let users = self.users.clone();
            let claimed = self.calls.run(async move { claim(&users, limit, now, lease).await }).await;
            // There may be more, or what there is could not be seen.
            if claimed.as_ref().map_or(true, |claim| !claim.entries.is_empty()) {
                self.handover.ask_for_look();
                return Ok(claimed?);
            }
        }
        Ok(nothing)
    }

    async fn mark_published(&self, claim: &Claim, confirmed: &[Entry]) -> Result<(), OutboxError> {
        let (users, token) = (self.users.clone(), claim.token);
        let owners = owners(confirmed);
        let events: Vec<BsonUuid> = confirmed.iter().map(|entry| to_bson_uuid(entry.message.id)).collect();
        let pull =
            doc! { "$pull": { "outbox": { "id": { "$in": events.clone() } } }, "$unset": { "lease": "" } };
        let is_new = self.handover.is_handed_over(claim);
        Ok(self
            .calls
            .run(async move {
                if is_new && empty_at_once(&users, &owners, token, &events).await? {
                    return Ok(());
                }
                users.update_many(held(&owners, token), pull).await.map_err(fault::store)?;
                unset_due_where_empty(&users, &owners).await
            })
            .await?)
    }

    async fn release(&self, claim: &Claim) -> Result<(), OutboxError> {
        let (users, token) = (self.users.clone(), claim.token);
        let owners = owners(&claim.entries);
        self.handover.ask_for_look();
        Ok(self
            .calls
            .run(async move {
                let unset = doc! { "$unset": { "lease": "" } };
                users.update_many(held(&owners, token), unset).await.map(drop).map_err(fault::store)
            })
            .await?)
    }

    fn relay_begins(&self, lease: Duration) {
        self.handover.begin(lease);
    }

    async fn relay_ended(&self) -> Result<(), OutboxError> {
        let left = self.handover.end();
        if left.entries.is_empty() { Ok(()) } else { self.release(&left).await }
    }

    async fn backlog(&self) -> Result<Backlog, OutboxError> {
        let (users, now) = (self.users.clone(), self.clock.now());
        Ok(self.calls.run(async move { backlog(&users, now).await }).await?)
    }
}

/// Leases up to `limit` users whose outbox holds something. Each document is
/// leased by one atomic update that matches only while nobody holds it, so two
/// relays never hold one; all of them go in one command, because one command a
/// document costs a journal sync each.
async fn claim(
    users: &Collection<UserDocument>,
    limit: usize,
    now: OffsetDateTime,
    lease: Duration,
) -> Result<Claim, StoreError> {
    let token = Uuid::new_v4();
    for _ in 0..CLAIM_TRIES {
        let due = find_due(users, limit, claimable(now, lease)).await?;
        if due.is_empty() {
            break;
        }
        let owners: Vec<_> = due.into_iter().map(|due| due.id).collect();
        let mut free = claimable(now, lease);
        free.insert("_id", doc! { "$in": &owners });
        let hold = doc! { "token": to_bson_uuid(token), "until": to_bson(now + lease) };
        users.update_many(free, doc! { "$set": { "lease": hold } }).await.map_err(fault::store)?;
        let entries = read_held(users, &owners, token).await?;
        if !entries.is_empty() {
            return Ok(Claim { token, entries });
        }
    }
    Ok(Claim { token, entries: Vec::new() })
}

/// Users with something to publish whom no relay holds: whose lease is absent or
/// past, or so far ahead that a wrong clock must have written it. Whether
/// `outbox_due` lies ahead does not matter: the writer's clock may be wrong, and
/// waiting would gain nothing.
fn claimable(now: OffsetDateTime, lease: Duration) -> Document {
    doc! {
        "outbox_due": { "$exists": true },
        "$or": [
            { "lease": null },
            { "lease.until": { "$lte": to_bson(now) } },
            { "lease.until": { "$gt": to_bson(now + 2 * lease) } },
        ],
    }
}

async fn find_due(
    users: &Collection<UserDocument>,
    limit: usize,
    filter: Document,
) -> Result<Vec<Due>, StoreError> {
    let due = users
        .clone_with_type::<Due>()
        .find(filter)
        .projection(doc! { "outbox_due": 1 })
        .sort(doc! { "outbox_due": 1 })
        .limit(i64::try_from(limit).unwrap_or(i64::MAX))
        .await
        .map_err(fault::store)?;
    due.try_collect().await.map_err(fault::store)
}

/// The entries of those that this token holds. A relay that died between its two
/// updates leaves users who are due with nothing to publish: those are settled here.
async fn read_held(
    users: &Collection<UserDocument>,
    owners: &[ObjectId],
    token: Uuid,
) -> Result<Vec<Entry>, StoreError> {
    let held_by_us = users
        .clone_with_type::<OutboxDocument>()
        .find(held(owners, token))
        .projection(doc! { "outbox": 1 })
        .sort(doc! { "outbox_due": 1 })
        .await
        .map_err(fault::store)?;
    let documents: Vec<OutboxDocument> = held_by_us.try_collect().await.map_err(fault::store)?;
    let empty: Vec<_> =
        documents.iter().filter(|document| document.outbox.is_empty()).map(|document| document.id).collect();
    if !empty.is_empty() {
        let unset = doc! { "$unset": { "lease": "" } };
        users.update_many(held(&empty, token), unset).await.map_err(fault::store)?;
        unset_due_where_empty(users, &empty).await?;
    }
    Ok(documents.into_iter().flat_map(OutboxDocument::into_entries).collect())
}

/// What was handed over is all that is in its outbox, unless the user has changed since: so one
/// update does what takes two otherwise. Says whether it did for all of them.
async fn empty_at_once(
    users: &Collection<UserDocument>,
    owners: &[ObjectId],
    token: Uuid,
    events: &[BsonUuid],
) -> Result<bool, StoreError> {
    let mut alone = held(owners, token);
    alone.insert("outbox", doc! { "$size": 1 });
    alone.insert("outbox.id", doc! { "$in": events });
    let update = doc! { "$set": { "outbox": [] }, "$unset": { "lease": "", "outbox_due": "" } };
    let done = users.update_many(alone, update).await.map_err(fault::store)?;
    Ok(usize::try_from(done.matched_count).is_ok_and(|count| count == owners.len()))
}

/// A second update, matched by the empty array: a writer may have pushed an entry
/// since the first, and that one must stay due.
async fn unset_due_where_empty(
    users: &Collection<UserDocument>,
    owners: &[ObjectId],
) -> Result<(), StoreError> {
    let empty = doc! { "_id": { "$in": owners }, "outbox": { "$size": 0 } };
    let unset = doc! { "$unset": { "outbox_due": "" } };
    users.update_many(empty, unset).await.map(drop).map_err(fault::store)
}

async fn backlog(users: &Collection<UserDocument>, now: OffsetDateTime) -> Result<Backlog, StoreError> {
    let waits = doc! { "outbox_due": { "$exists": true } };
    let depth = users.count_documents(waits.clone()).await.map_err(fault::store)?;
    let oldest = find_due(users, 1, waits).await?.pop();
    let oldest_age = match oldest {
        // Negative when the writer's clock is ahead of ours: then it is young.
        Some(due) => Duration::try_from(now - from_bson(due.outbox_due)?).unwrap_or_default(),
        None => Duration::ZERO,
    };
    Ok(Backlog { depth, oldest_age })
}

fn held(owners: &[ObjectId], token: Uuid) -> Document {
    doc! { "_id": { "$in": owners }, "lease.token": to_bson_uuid(token) }
}

fn owners(entries: &[Entry]) -> Vec<ObjectId> {
    let mut owners: Vec<_> = entries.iter().filter_map(|entry| object_id(&entry.owner)).collect();
    owners.dedup();
    owners
}
