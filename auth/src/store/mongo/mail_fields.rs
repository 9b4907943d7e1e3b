//! The fields of mail and tickets in a user's document: one of a kind, under its name,
//! so that a newer one takes the place of an older one by being set.

use std::collections::BTreeMap;

use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Binary, Bson, DateTime, Document, Uuid, doc, serialize_to_bson};
use serde::{Deserialize, Serialize};

use super::StoreError;
use super::document::{binary, to_bson, to_bson_uuid};
use crate::domain::{KeptTicket, MailKind, Posting, UserChange, WaitingMail};
use crate::sealing::Sealed;
use crate::store::ClaimedMail;

/// A mail that waits.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct MailEntry {
    id: Uuid,
    key_id: String,
    sealed: Binary,
}

/// What is kept of a ticket.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct TicketEntry {
    digest: Binary,
    pub(super) expires_at: DateTime,
}

/// By the word of their kind.
pub(super) type Mails = BTreeMap<String, MailEntry>;
/// By the word of their kind.
pub(super) type Tickets = BTreeMap<String, TicketEntry>;

/// A user's mail, without the user.
#[derive(Deserialize)]
pub(super) struct MailDocument {
    #[serde(rename = "_id")]
    pub(super) id: ObjectId,
    #[serde(default)]
    pub(super) mail: Mails,
    #[serde(default)]
    mail_tries: u32,
}

impl MailDocument {
    pub(super) fn into_mails(self) -> Result<Vec<ClaimedMail>, StoreError> {
        let (user_id, tries) = (self.id.to_hex(), self.mail_tries);
        let mails = self.mail.into_iter().map(|(word, entry)| {
            let kind = MailKind::from_word(&word);
            let mail = WaitingMail {
                id: uuid::Uuid::from_bytes(entry.id.bytes()),
                kind: kind.ok_or_else(|| StoreError::corrupt("an unknown kind of mail"))?,
                sealed: Sealed { key_id: entry.key_id, bytes: entry.sealed.bytes },
            };
            Ok(ClaimedMail { user_id: user_id.clone(), mail, tries })
        });
        mails.collect()
    }
}

impl From<&WaitingMail> for MailEntry {
    fn from(mail: &WaitingMail) -> Self {
        let Sealed { key_id, bytes } = &mail.sealed;
        Self { id: to_bson_uuid(mail.id), key_id: key_id.clone(), sealed: binary(bytes) }
    }
}

impl From<&KeptTicket> for TicketEntry {
    fn from(ticket: &KeptTicket) -> Self {
        Self { digest: binary(&ticket.digest), expires_at: to_bson(ticket.expires_at) }
    }
}

/// The posting's mail by its kind, for a new document.
pub(super) fn mails(posting: Option<&Posting>) -> Mails {
    posting.into_iter().map(|p| (p.mail.kind.word().to_owned(), MailEntry::from(&p.mail))).collect()
}

/// The posting's ticket by its kind, for a new document.
pub(super) fn tickets(posting: Option<&Posting>) -> Tickets {
    let ticket = posting.and_then(|posting| posting.ticket.as_ref());
    ticket.into_iter().map(|ticket| (ticket.kind.word().to_owned(), TicketEntry::from(ticket))).collect()
}

/// What an update sets to post one mail beside those that are there.
pub(super) fn set_posting(posting: &Posting) -> Result<Document, StoreError> {
    let mut set = doc! {
        format!("mail.{}", posting.mail.kind.word()): bson(&MailEntry::from(&posting.mail))?,
        "mail_due": to_bson(posting.written_at),
        "mail_tries": 0,
    };
    if let Some(ticket) = &posting.ticket {
        set.insert(format!("tickets.{}", ticket.kind.word()), bson(&TicketEntry::from(ticket))?);
    }
    Ok(set)
}

/// What a change of the user does to mail and tickets. With the address goes all of
/// it, but for what the change itself posts.
pub(super) fn change(change: &UserChange) -> Result<(Document, Document), StoreError> {
    let posting = change.posting.as_ref();
    if change.email_changes {
        let (mails, tickets) = (mails(posting), tickets(posting));
        let mut set = doc! { "mail": bson(&mails)?, "tickets": bson(&tickets)?, "mail_tries": 0 };
        set.extend(posting.map(|posting| ("mail_due".to_owned(), Bson::from(to_bson(posting.written_at)))));
        let due = if posting.is_none() {
            doc! { "mail_due": "" }
        } else {
            Document::new()
        };
        return Ok((set, due));
    }
    let set = posting.map(set_posting).transpose()?.unwrap_or_default();
    let mut unset = Document::new();
    for kind in change.voids() {
        for field in [format!("mail.{}", kind.word()), format!("tickets.{}", kind.word())] {
            if !set.contains_key(&field) {
                unset.insert(field, "");
            }
        }
    }
    Ok((set, unset))
}

fn bson(value: &impl Serialize) -> Result<Bson, StoreError> {
    serialize_to_bson(value).map_err(StoreError::corrupt)
}
