//! The document of a user.

use accrue_events::broker::Message;
use accrue_events::outbox::Entry;
use accrue_events::user::UserStatus;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, DateTime, Uuid};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::StoreError;
use super::handover::Lease;
use super::mail_fields::{self, Mails, Tickets};
use crate::domain::{
    Digest, DisplayName, EmailAddress, KeptReply, KeptRequest, NewUser, Role, Roles, User, UserChange,
    Username,
};
use crate::store::Login;

/// A user and what is written with them. `outbox_due`, `lease` and `leaving` are set
/// by updates that name them, or at the start, and not read with the user.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct UserDocument {
    #[serde(rename = "_id")]
    pub(super) id: ObjectId,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    email_verified: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    display_name: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    roles: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    password_hash: Option<String>,
    status: UserStatus,
    #[serde(default)]
    session_epoch: i64,
    pub(super) version: i64,
    created_at: DateTime,
    #[serde(skip_serializing_if = "Option::is_none")]
    idempotency: Option<Idempotency>,
    #[serde(default)]
    pub(super) outbox: Vec<OutboxEntry>,
    /// When the oldest entry was written; absent when none waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    outbox_due: Option<DateTime>,
    /// Whose it is to publish them, where that is clear from the start.
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    pub(super) lease: Option<Lease>,
    /// Mail that waits to be sent. `mail_lease` and `mail_tries` are set by updates.
    #[serde(default, skip_serializing_if = "Mails::is_empty")]
    mail: Mails,
    /// When the mail is to be sent; absent when none waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    mail_due: Option<DateTime>,
    /// What is kept of the tickets that were sent by mail.
    #[serde(default, skip_serializing_if = "Tickets::is_empty")]
    pub(super) tickets: Tickets,
    /// The event of the last change: tells whoever lost the answer to a change that
    /// it was theirs, also when the event has left the outbox.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) last_event: Option<Uuid>,
}

/// What is kept for a repeated request. The key outlives the rest.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Idempotency {
    key: Binary,
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<Binary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply: Option<Binary>,
}

/// An event that waits to be published.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct OutboxEntry {
    id: Uuid,
    routing_key: String,
    content_type: String,
    body: Binary,
    #[serde(skip_serializing_if = "Option::is_none")]
    traceparent: Option<String>,
}

/// A user's outbox, without the user.
#[derive(Deserialize)]
pub(super) struct OutboxDocument {
    #[serde(rename = "_id")]
    pub(super) id: ObjectId,
    #[serde(default)]
    pub(super) outbox: Vec<OutboxEntry>,
}

impl UserDocument {
    pub(super) fn new(new: &NewUser) -> Result<Self, StoreError> {
        let user = &new.user;
        Ok(Self {
            id: object_id(&user.user_id)
                .ok_or_else(|| StoreError::corrupt("a user id that this store did not make"))?,
            email: user.email.as_ref().map(|email| email.as_str().to_owned()),
            email_verified: user.email_verified,
            username: user.username.as_ref().map(|name| name.as_str().to_owned()),
            display_name: user.display_name.as_ref().map(|name| name.as_str().to_owned()),
            roles: role_words(&user.roles),
            password_hash: new.password_hash.as_ref().map(|hash| hash.expose_secret().to_owned()),
            status: user.status,
            session_epoch: user.session_epoch,
            version: user.version,
            created_at: to_bson(user.created_at),
            idempotency: new.kept.as_ref().map(|kept| Idempotency {
                key: binary(&kept.key),
                request: Some(binary(&kept.request)),
                reply: Some(binary(&kept.reply)),
            }),
            outbox: vec![OutboxEntry::from(&new.event)],
            outbox_due: Some(to_bson(user.created_at)),
            lease: None,
            mail: mail_fields::mails(new.posting.as_ref()),
            mail_due: new.posting.as_ref().map(|posting| to_bson(posting.written_at)),
            tickets: mail_fields::tickets(new.posting.as_ref()),
            last_event: Some(to_bson_uuid(new.event.id)),
        })
    }

    /// What an erasure leaves: nothing but what is named here.
    pub(super) fn tombstone(id: ObjectId, change: &UserChange, key: Option<Idempotency>) -> Self {
        Self {
            id,
            email: None,
            email_verified: false,
            username: None,
            display_name: None,
            roles: Vec::new(),
            password_hash: None,
            status: change.user.status,
            session_epoch: change.user.session_epoch,
            version: change.user.version,
            created_at: to_bson(change.user.created_at),
            idempotency: key,
            outbox: vec![OutboxEntry::from(&change.event)],
            outbox_due: Some(to_bson(change.changed_at)),
            lease: None,
            mail: Mails::new(),
            mail_due: None,
            tickets: Tickets::new(),
            last_event: Some(to_bson_uuid(change.event.id)),
        }
    }

    /// The key of the registration, without the request and the reply.
    pub(super) fn idempotency_key(self) -> Option<Idempotency> {
        self.idempotency.map(|kept| Idempotency { key: kept.key, request: None, reply: None })
    }

    pub(super) fn has_email(&self, email: Option<&EmailAddress>) -> bool {
        self.email.is_some() && self.email.as_deref() == email.map(EmailAddress::as_str)
    }

    pub(super) fn has_username(&self, username: Option<&Username>) -> bool {
        self.username.is_some() && self.username.as_deref() == username.map(Username::as_str)
    }

    pub(super) fn has_key(&self, key: Option<&Digest>) -> bool {
        let ours = self.idempotency.as_ref().map(|kept| kept.key.bytes.as_slice());
        ours.is_some() && ours == key.map(Digest::as_slice)
    }

    pub(super) fn into_login(self) -> Result<Login, StoreError> {
        let password_hash = self.password_hash.clone().map(SecretString::from);
        Ok(Login { user: self.into_user()?, password_hash })
    }

    pub(super) fn into_user(self) -> Result<User, StoreError> {
        Ok(User {
            user_id: self.id.to_hex(),
            email: self.email.map(EmailAddress::from_store),
            email_verified: self.email_verified,
            username: self.username.map(Username::from_store),
            display_name: self.display_name.map(DisplayName::from_store),
            roles: Roles::from_store(self.roles.iter().map(String::as_str)),
            status: self.status,
            session_epoch: self.session_epoch,
            version: self.version,
            created_at: from_bson(self.created_at)?,
        })
    }

    pub(super) fn into_kept_reply(self) -> Result<KeptReply, StoreError> {
        let kept = self.idempotency.ok_or_else(|| StoreError::corrupt("a key without its user"))?;
        let request = match (kept.request, kept.reply) {
            (Some(request), Some(reply)) => Some(KeptRequest {
                digest: request
                    .bytes
                    .try_into()
                    .map_err(|_| StoreError::corrupt("a digest of another length"))?,
                password_hash: self.password_hash.map(SecretString::from),
                reply: reply.bytes,
            }),
            _ => None,
        };
        Ok(KeptReply { user_id: self.id.to_hex(), kept_at: from_bson(self.created_at)?, request })
    }
}

/// Roles as documents keep them.
pub(super) fn role_words(roles: &Roles) -> Vec<String> {
    roles.iter().map(Role::word).map(str::to_owned).collect()
}

impl From<&Message> for OutboxEntry {
    fn from(message: &Message) -> Self {
        Self {
            id: to_bson_uuid(message.id),
            routing_key: message.routing_key.clone(),
            content_type: message.content_type.clone(),
            body: binary(&message.body),
            traceparent: message.traceparent.clone(),
        }
    }
}

impl OutboxDocument {
    pub(super) fn into_entries(self) -> impl Iterator<Item = Entry> {
        let owner = self.id.to_hex();
        self.outbox.into_iter().map(move |entry| Entry {
            owner: owner.clone(),
            message: Message {
                id: uuid::Uuid::from_bytes(entry.id.bytes()),
                routing_key: entry.routing_key,
                content_type: entry.content_type,
                body: entry.body.bytes,
                traceparent: entry.traceparent,
            },
        })
    }
}

/// The id of `text`, if it is one in the form in which we write them.
pub(super) fn object_id(text: &str) -> Option<ObjectId> {
    ObjectId::parse_str(text).ok().filter(|id| id.to_hex() == text)
}

pub(super) fn binary(bytes: &[u8]) -> Binary {
    Binary { subtype: BinarySubtype::Generic, bytes: bytes.to_vec() }
}

pub(super) fn to_bson_uuid(id: uuid::Uuid) -> Uuid {
    Uuid::from_bytes(id.into_bytes())
}

/// In whole milliseconds, which is what BSON keeps.
pub(super) fn to_bson(at: OffsetDateTime) -> DateTime {
    DateTime::from_millis(accrue_chassis::clock::to_millis(at))
}

pub(super) fn from_bson(at: DateTime) -> Result<OffsetDateTime, StoreError> {
    let at = i128::from(at.timestamp_millis()) * 1_000_000;
    OffsetDateTime::from_unix_timestamp_nanos(at).map_err(StoreError::corrupt)
}
