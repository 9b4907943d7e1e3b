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
use crate::domain::{DisplayName, EmailAddress, KeptReply, NewUser, User};

/// A user and what is written with them. `outbox_due` and `lease` are set by
/// updates that name them, and read nowhere.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct UserDocument {
    #[serde(rename = "_id")]
    pub(super) id: ObjectId,
    email: String,
    email_verified: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    display_name: Option<String>,
    password_hash: String,
    status: UserStatus,
    version: i64,
    created_at: DateTime,
    #[serde(skip_serializing_if = "Option::is_none")]
    idempotency: Option<Idempotency>,
    #[serde(default)]
    pub(super) outbox: Vec<OutboxEntry>,
    /// When the oldest entry was written; absent when none waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    outbox_due: Option<DateTime>,
}

/// What is kept for a repeated request.
#[derive(Clone, Serialize, Deserialize)]
struct Idempotency {
    key: Binary,
    request: Binary,
    reply: Binary,
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
            email: user.email.as_str().to_owned(),
            email_verified: user.email_verified,
            display_name: user.display_name.as_ref().map(|name| name.as_str().to_owned()),
            password_hash: new.password_hash.expose_secret().to_owned(),
            status: user.status,
            version: user.version,
            created_at: to_bson(user.created_at),
            idempotency: new.kept.as_ref().map(|kept| Idempotency {
                key: binary(&kept.key),
                request: binary(&kept.request),
                reply: binary(&kept.reply),
            }),
            outbox: vec![OutboxEntry::from(&new.event)],
            outbox_due: Some(to_bson(user.created_at)),
        })
    }

    pub(super) fn has_email(&self, other: &Self) -> bool {
        self.email == other.email
    }

    pub(super) fn has_key(&self, other: &Self) -> bool {
        let key = |document: &Self| document.idempotency.as_ref().map(|kept| kept.key.bytes.clone());
        key(self).is_some() && key(self) == key(other)
    }

    pub(super) fn email(&self) -> &str {
        &self.email
    }

    pub(super) fn key(&self) -> Option<&Binary> {
        self.idempotency.as_ref().map(|kept| &kept.key)
    }

    pub(super) fn into_user(self) -> Result<User, StoreError> {
        Ok(User {
            user_id: self.id.to_hex(),
            email: EmailAddress::from_store(self.email),
            email_verified: self.email_verified,
            display_name: self.display_name.map(DisplayName::from_store),
            status: self.status,
            version: self.version,
            created_at: from_bson(self.created_at)?,
        })
    }

    pub(super) fn into_kept_reply(self) -> Result<KeptReply, StoreError> {
        let kept = self.idempotency.ok_or_else(|| StoreError::corrupt("a key without its reply"))?;
        let digest = kept.request.bytes.try_into();
        Ok(KeptReply {
            user_id: self.id.to_hex(),
            request_digest: digest.map_err(|_| StoreError::corrupt("a digest of another length"))?,
            password_hash: SecretString::from(self.password_hash),
            reply: kept.reply.bytes,
        })
    }
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
