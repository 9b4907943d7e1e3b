//! Changing users in MongoDB: one write of one document, compare-and-set on the
//! version, with the event in it.

use mongodb::Collection;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Bson, Document, Uuid, doc, serialize_to_bson};
use mongodb::error::Error;
use secrecy::ExposeSecret as _;
use time::OffsetDateTime;

use super::document::{OutboxEntry, UserDocument, object_id, role_words, to_bson, to_bson_uuid};
use super::leaving::{self, Leave};
use super::mail::by_ticket;
use super::mail_fields;
use super::rivals::{self, Rival};
use super::{StoreError, fault};
use crate::domain::{DisplayName, EmailAddress, UserChange, Username};
use crate::store::Changed;

pub(super) async fn change(
    users: &Collection<UserDocument>,
    change: UserChange,
    now: OffsetDateTime,
) -> Result<Changed, StoreError> {
    let Some(id) = object_id(&change.user.user_id) else {
        return Ok(Changed::NotFound);
    };
    if !change.unseats_admin {
        let filter = at_version(id, &change);
        return write(users, id, change, filter).await;
    }
    match leaving::ask(users, (id, change.expected_version), now).await? {
        Leave::Granted(token) => leave(users, id, change, token).await,
        Leave::Refused => Ok(Changed::LastAdmin),
        Leave::Stale => settle(users, id, change).await,
    }
}

/// Writes the change of an admin who leaves by this mark, and by no other.
pub(super) async fn leave(
    users: &Collection<UserDocument>,
    id: ObjectId,
    change: UserChange,
    token: Uuid,
) -> Result<Changed, StoreError> {
    let mut filter = at_version(id, &change);
    filter.insert("leaving.token", token);
    let done = write(users, id, change, filter).await;
    if !matches!(done, Ok(Changed::Done(_))) {
        leaving::stay(users, id, token).await;
    }
    done
}

async fn write(
    users: &Collection<UserDocument>,
    id: ObjectId,
    change: UserChange,
    filter: Document,
) -> Result<Changed, StoreError> {
    let written = if change.is_erasure() {
        erase(users, id, &change, filter).await?
    } else {
        users.update_one(filter, update(&change)?).await.map(|done| done.matched_count > 0)
    };
    match written {
        Ok(true) => Ok(Changed::Done(change.user)),
        Ok(false) => settle(users, id, change).await,
        Err(error) if fault::is_duplicate_key(&error) => {
            match rivals::find(users, (id, false), &change.user, None).await? {
                Rival::Username => Ok(Changed::UsernameTaken),
                // A change carries no key, and is no rival of itself.
                Rival::Email | Rival::Key(_) | Rival::Itself => Ok(Changed::EmailTaken),
            }
        }
        Err(error) if fault::may_have_written(&error) => match settle(users, id, change).await {
            Ok(Changed::Done(user)) => Ok(Changed::Done(user)),
            _ => Err(fault::store(error)),
        },
        Err(error) => Err(fault::store(error)),
    }
}

/// What became of a write that matched nothing, or whose answer was lost: the event
/// of the last change tells whether it was ours.
async fn settle(
    users: &Collection<UserDocument>,
    id: ObjectId,
    change: UserChange,
) -> Result<Changed, StoreError> {
    let Some(found) = users.find_one(doc! { "_id": id }).await.map_err(fault::store)? else {
        return Ok(Changed::NotFound);
    };
    let is_ours =
        found.version == change.user.version && found.last_event == Some(to_bson_uuid(change.event.id));
    Ok(if is_ours { Changed::Done(change.user) } else { Changed::Stale })
}

/// Puts the tombstone in the document's place, so that nothing survives which
/// nobody thought of, events that wait with an address in them among it. A relay
/// that holds some of those can mark nothing any more; the tombstone waits for the next.
async fn erase(
    users: &Collection<UserDocument>,
    id: ObjectId,
    change: &UserChange,
    filter: Document,
) -> Result<Result<bool, Error>, StoreError> {
    // What is read here beside the version never changes.
    let Some(found) = users.find_one(filter.clone()).await.map_err(fault::store)? else {
        return Ok(Ok(false));
    };
    let tombstone = UserDocument::tombstone(id, change, found.idempotency_key());
    Ok(users.replace_one(filter, tombstone).await.map(|done| done.matched_count > 0))
}

fn at_version(id: ObjectId, change: &UserChange) -> Document {
    let mut filter = doc! { "_id": id, "version": change.expected_version };
    if let Some((kind, digest)) = &change.ticket {
        filter.extend(by_ticket(*kind, digest));
    }
    filter
}

fn update(change: &UserChange) -> Result<Document, StoreError> {
    let user = &change.user;
    let mut set = doc! {
        "email_verified": user.email_verified,
        "roles": role_words(&user.roles),
        "status": serialize_to_bson(&user.status).map_err(StoreError::corrupt)?,
        "session_epoch": user.session_epoch,
        "version": user.version,
        "last_event": to_bson_uuid(change.event.id),
    };
    let mut unset = Document::new();
    let texts = [
        ("email", user.email.as_ref().map(EmailAddress::as_str)),
        ("username", user.username.as_ref().map(Username::as_str)),
        ("display_name", user.display_name.as_ref().map(DisplayName::as_str)),
    ];
    for (name, text) in texts {
        // A field that is null is no text, but one that is absent is what the indexes expect.
        match text {
            Some(text) => set.insert(name, text),
            None => unset.insert(name, ""),
        };
    }
    if let Some(hash) = &change.password_hash {
        set.insert("password_hash", hash.expose_secret());
        // What was kept of the registration could be compared with the old one only.
        unset.extend(doc! { "idempotency.request": "", "idempotency.reply": "" });
    }
    if change.unseats_admin {
        unset.insert("leaving", "");
    }
    let (mail_set, mail_unset) = mail_fields::change(change)?;
    set.extend(mail_set);
    unset.extend(mail_unset);
    let entry: Bson = serialize_to_bson(&OutboxEntry::from(&change.event)).map_err(StoreError::corrupt)?;
    let mut update = doc! {
        "$set": set,
        "$push": { "outbox": entry },
        // The oldest entry counts: a relay that is behind must not look punctual.
        "$min": { "outbox_due": to_bson(change.changed_at) },
    };
    if !unset.is_empty() {
        update.insert("$unset", unset);
    }
    Ok(update)
}
