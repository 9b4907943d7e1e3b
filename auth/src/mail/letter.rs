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
    /// How often it was not sent for what seems to be its own fault. It stands here so
    /// that an outage of the mail server, which puts letters off as well, is not among it.
    #[serde(default)]
    faults: u32,
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
            faults: 0,
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

    /// How often it was not sent for what seems to be its own fault.
    pub(super) fn faults(&self) -> u32 {
        self.faults
    }

    /// The same letter, with one more fault.
    pub(super) fn with_another_fault(self) -> Self {
        Self { faults: self.faults.saturating_add(1), ..self }
    }

    /// The message of RFC 5322. Its `Message-ID` is the same however often it is sent.
    pub(super) fn message(&self, id: Uuid, from: &Mailbox) -> Result<Message, Unsendable> {
        let to = self.to.parse::<Mailbox>().map_err(|_| Unsendable)?;
        let written_at =
            OffsetDateTime::from_unix_timestamp(self.written_at_s).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let mut message = MessageBuilder::new()
            .from(from.clone())
            .to(to)
            .subject(self.subject.clone())
            .date(SystemTime::from(written_at))
            .message_id(Some(format!("<{id}@{}>", from.email.domain())))
            .header(ContentType::TEXT_PLAIN)
            .body(plain_or_encoded(self.text.clone()))
            .map_err(|_| Unsendable)?;
        // RFC 3834: no machine is to answer.
        let name = HeaderName::new_from_ascii_str("Auto-Submitted");
        message.headers_mut().insert_raw(HeaderValue::new(name, "auto-generated".to_owned()));
        Ok(message)
    }
}

/// ASCII goes as it is: no link is broken into two lines for whoever reads the file.
fn plain_or_encoded(text: String) -> Body {
    // RFC 5322's limit on a line, with its end.
    if text.is_ascii() && text.lines().all(|line| line.len() <= 998) {
        let lines = text.lines().flat_map(|line| [line, "\r\n"]).collect::<String>();
        Body::dangerous_pre_encoded(lines.into_bytes(), ContentTransferEncoding::SevenBit)
    } else {
        Body::new(text)
    }
}

/// The same letter, sealed under the newest key.
pub(super) fn reseal(id: Uuid, sealed: &Sealed, keys: &KeyEncryptionKeys) -> Result<Sealed, SealingError> {
    let plain = keys.open(&purpose(id), sealed)?;
    keys.seal(&purpose(id), plain.expose_secret())
}

/// A sealed letter opens as the mail that it was sealed for, and as no other.
fn purpose(id: Uuid) -> String {
    format!("mail {id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn formatted(text: &str) -> String {
        let from: Mailbox = "accrue@example.com".parse().expect("a sender");
        let letter = Letter::new("ada@example.com", text, OffsetDateTime::UNIX_EPOCH);
        let message = letter.message(Uuid::nil(), &from).expect("a message");
        String::from_utf8(message.formatted()).expect("ASCII")
    }

    #[test]
    fn links_stay_whole_and_everything_else_is_encoded() {
        let link = format!("https://example.com/{}#token=x", "long/".repeat(40));
        assert!(formatted(&format!("Subject\n\nOpen:\n{link}\n")).contains(&format!("\r\n{link}\r\n")));
        assert!(formatted("Subject\n\nMany greetings to you, Gr\u{fc}\u{df}e\n").contains("Gr=C3=BC=C3=9Fe"));
        assert!(!formatted(&format!("Subject\n\n{}\n", "x".repeat(2_000))).contains(&"x".repeat(999)));
    }

    #[test]
    fn an_address_that_cannot_be_one_is_no_message() {
        let from: Mailbox = "accrue@example.com".parse().expect("a sender");
        let letter = Letter::new("a\r\nBcc: b@example.com", "Subject\n\nText", OffsetDateTime::UNIX_EPOCH);
        assert_eq!(letter.message(Uuid::nil(), &from).err(), Some(Unsendable));
    }
}
