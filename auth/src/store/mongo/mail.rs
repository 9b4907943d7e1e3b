//! Mail and tickets inside the users' documents: leased by document, apart from the
//! outbox.

use std::time::Duration;

use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use mongodb::bson::{Document, doc};
use time::OffsetDateTime;

use super::document::{binary, from_bson, object_id, to_bson, to_bson_uuid};
use super::mail_fields::{MailDocument, set_posting};
use super::mail_leases::{claim, held, not_under, release};
use super::{MongoStore, StoreError, fault};
use crate::domain::{Digest, Posting, TicketKind, User, WaitingMail};
use crate::sealing::Sealed;
use crate::store::{ClaimedMail, MailClaim, MailStore};

#[async_trait]
impl MailStore for MongoStore {
    async fn post(&self, user_id: &str, version: i64, posting: Posting) -> Result<bool, StoreError> {
        let users = self.users.clone();
        // Text that is no id of ours is asked for all the same: as much work for nobody.
        let id = object_id(user_id).unwrap_or_default();
        let update = doc! { "$set": set_posting(&posting)? };
        self.calls
            .run(async move {
                let done = users.update_one(doc! { "_id": id, "version": version }, update).await;
                done.map(|done| done.matched_count > 0).map_err(fault::store)
            })
            .await
    }

    async fn ticket_holder(
        &self,
        kind: TicketKind,
        digest: &Digest,
    ) -> Result<Option<(User, OffsetDateTime)>, StoreError> {
        let users = self.users.clone();
        let filter = by_ticket(kind, digest);
        let found = self.calls.run(async move { users.find_one(filter).await.map_err(fault::store) }).await?;
        let Some(found) = found else { return Ok(None) };
        let ticket = found.tickets.get(kind.word());
        let ticket = ticket.ok_or_else(|| StoreError::corrupt("a ticket without its fields"))?;
        let expires_at = from_bson(ticket.expires_at)?;
        Ok(Some((found.into_user()?, expires_at)))
    }

    async fn claim_mail(&self, limit: usize, lease: Duration) -> Result<MailClaim, StoreError> {
        let (users, now) = (self.users.clone(), self.clock.now());
        self.calls.run(async move { claim(&users, limit, now, lease).await }).await
    }

    async fn mark_sent(&self, claim: &MailClaim, mail: &ClaimedMail) -> Result<(), StoreError> {
        let field = format!("mail.{}", mail.mail.kind.word());
        self.update_held(claim, mail, doc! { "$unset": { field: "" } }).await
    }

    async fn put_off(
        &self,
        claim: &MailClaim,
        mail: &ClaimedMail,
        due: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let update = doc! { "$set": { "mail_due": to_bson(due) }, "$inc": { "mail_tries": 1 } };
        self.update_held(claim, mail, update).await
    }

    async fn mail_not_under(
        &self,
        key_id: &str,
        after: &str,
        limit: usize,
    ) -> Result<Vec<(String, WaitingMail)>, StoreError> {
        let (users, limit) = (self.users.clone(), i64::try_from(limit).unwrap_or(i64::MAX));
        let filter = not_under(key_id, object_id(after));
        let read = async move {
            let found = users
                .clone_with_type::<MailDocument>()
                .find(filter)
                .projection(doc! { "mail": 1, "mail_tries": 1 })
                .sort(doc! { "_id": 1 })
                .limit(limit)
                .await
                .map_err(fault::store)?;
            found.try_collect().await.map_err(fault::store)
        };
        let documents: Vec<MailDocument> = self.calls.run(read).await?;
        let mails: Result<Vec<_>, _> = documents.into_iter().map(MailDocument::into_mails).collect();
        let mails = mails?.into_iter().flatten().filter(|held| held.mail.sealed.key_id != key_id);
        Ok(mails.map(|held| (held.user_id, held.mail)).collect())
    }

    async fn reseal_mail(
        &self,
        user_id: &str,
        mail: &WaitingMail,
        sealed: &Sealed,
    ) -> Result<bool, StoreError> {
        let Some(id) = object_id(user_id) else {
            return Ok(false);
        };
        let users = self.users.clone();
        let field = |name: &str| format!("mail.{}.{name}", mail.kind.word());
        let filter = doc! {
            "_id": id,
            field("id"): to_bson_uuid(mail.id),
            field("key_id"): &mail.sealed.key_id,
        };
        let update =
            doc! { "$set": { field("key_id"): &sealed.key_id, field("sealed"): binary(&sealed.bytes) } };
        let done = self
            .calls
            .run(async move { users.update_one(filter, update).await.map_err(fault::store) })
            .await?;
        Ok(done.matched_count > 0)
    }

    async fn release_mail(&self, claim: &MailClaim) -> Result<(), StoreError> {
        let (users, token) = (self.users.clone(), claim.token);
        let mut owners: Vec<_> = claim.mails.iter().filter_map(|mail| object_id(&mail.user_id)).collect();
        owners.dedup();
        self.calls.run(async move { release(&users, &owners, token).await }).await
    }
}

impl MongoStore {
    /// Updates a user whom this claim holds, if the very mail still waits.
    async fn update_held(
        &self,
        claim: &MailClaim,
        mail: &ClaimedMail,
        update: Document,
    ) -> Result<(), StoreError> {
        let Some(id) = object_id(&mail.user_id) else {
            return Ok(());
        };
        let users = self.users.clone();
        let mut filter = held(&[id], claim.token);
        filter.insert(format!("mail.{}.id", mail.mail.kind.word()), to_bson_uuid(mail.mail.id));
        self.calls
            .run(async move { users.update_one(filter, update).await.map(drop).map_err(fault::store) })
            .await
    }
}

/// The user with this ticket; the type is named for the partial index.
pub(super) fn by_ticket(kind: TicketKind, digest: &Digest) -> Document {
    doc! { format!("tickets.{}.digest", kind.word()): { "$eq": binary(digest), "$type": "binData" } }
}
