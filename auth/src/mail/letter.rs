//! A letter: recipient, subject and text, as it is sealed and as it is sent.

use std::time::SystemTime;

use lettre::Message;
use lettre::message::header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue};
use lettre::message::{Body, Mailbox, MessageBuilder};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::sealing::{KeyEncryptionKeys, Sealed, SealingError};

/// One letter. It holds an address and, mostly, a ticket: it is sealed wherever it
/// waits, and has no `Debug`.
#[derive(Serialize, Deserialize)]
pub struct Letter {
    to: String,
    subject: String,
    text: String,
    /// Seconds since 1970.
    written_at_s: i64,
}

/// A letter that cannot become a message: an address that a mail server would not take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a mail cannot be put into a message")]
pub(super) struct Unsendable;

impl Letter {
    /// A letter out of a template: its first line is the subject, the text begins
    /// after an empty one.
    pub(super) fn new(to: &str, filled: &str, written_at: OffsetDateTime) -> Self {
        let (subject, text) = filled.split_once("\n\n").unwrap_or(("", filled));
        Self {
            to: to.to_owned(),
            subject: subject.trim().to_owned(),
            text: text.to_owned(),
            written_at_s: written_at.unix_timestamp(),
        }
    }

    pub(super) fn seal(&self, id: Uuid, keys: &KeyEncryptionKeys) -> Result<Sealed, SealingError> {
        let plain = serde_json::to_vec(self).map_err(|_| SealingError::Broken)?;
        keys.seal(&purpose(id), &plain)
    }

    pub(super) fn open(id: Uuid, sealed: &Sealed, keys: &KeyEncryptionKeys) -> Result<Self, SealingError> {
        let plain = keys.open(&purpose(id), sealed)?;
        serde_json::from_slice(plain.expose_secret()).map_err(|_| SealingError::Broken)
    }

    /// The message of RFC 5322. Its `Message-ID` is the same however often it is sent.
    pub(super) fn message(self, id: Uuid, from: &Mailbox) -> Result<Message, Unsendable> {
        let to = self.to.parse::<Mailbox>().map_err(|_| Unsendable)?;
        let written_at =
            OffsetDateTime::from_unix_timestamp(self.written_at_s).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        // Plain, where it is plain: a link is not broken into lines for whoever reads the file.
        let body = Body::new_with_encoding(self.text.clone(), ContentTransferEncoding::SevenBit);
        let body = body.unwrap_or_else(|_| Body::new(self.text));
        let mut message = MessageBuilder::new()
            .from(from.clone())
            .to(to)
            .subject(self.subject)
            .date(SystemTime::from(written_at))
            .message_id(Some(format!("<{id}@{}>", from.email.domain())))
            .header(ContentType::TEXT_PLAIN)
            .body(body)
            .map_err(|_| Unsendable)?;
        // RFC 3834: no machine is to answer.
        let name = HeaderName::new_from_ascii_str("Auto-Submitted");
        message.headers_mut().insert_raw(HeaderValue::new(name, "auto-generated".to_owned()));
        Ok(message)
    }
}

/// A sealed letter opens as the mail that it was sealed for, and as no other.
fn purpose(id: Uuid) -> String {
    format!("mail {id}")
}
