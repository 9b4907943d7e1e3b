//! Dead letters: what can be done with them, and what may be shown of one.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::BrokerError;
use super::selection::{Look, Redrive, Redriven, Selection, Survey};
use crate::user::is_valid_user_id;

/// The longest type that a summary repeats, in characters: anybody may send one of any length.
const MAX_TYPE_CHARS: usize = 100;

/// The messages that were given up on.
#[async_trait]
pub trait DeadLetters: Send + Sync + 'static {
    /// Up to `limit` dead letters, oldest first as far as the broker tells their
    /// times, of those that were come to in five minutes. They stay where they are.
    ///
    /// # Errors
    /// The broker is away.
    async fn list(&self, limit: usize) -> Result<Vec<DeadLetter>, BrokerError>;

    /// What there is of a selection, by kind and one by one, without any body being kept.
    /// Everything stays where it is.
    ///
    /// # Errors
    /// The broker is away.
    async fn survey(&self, look: &Look) -> Result<Survey, BrokerError>;

    /// One with its body. None when there is no such dead letter.
    ///
    /// # Errors
    /// The broker is away, or there were more letters than could be searched in five minutes
    /// ([`BrokerError::Timeout`]).
    async fn find(&self, id: &str) -> Result<Option<DeadLetter>, BrokerError>;

    /// Sends a selection back to the queue that it came from, in one walk, each letter
    /// confirmed before it is removed here. One that fails stays and holds back no other;
    /// what died after the walk began is left alone, so that a letter which dies again is
    /// not sent again. Whoever dies, or is dropped, in the middle loses nothing and doubles
    /// at most the letter in flight, under the same message id. `tell` hears how many were
    /// sent so far.
    ///
    /// # Errors
    /// The walk could not begin. What ends it later is in the report.
    async fn redrive_many(
        &self,
        redrive: &Redrive,
        tell: &mut (dyn FnMut(u64) + Send),
    ) -> Result<Redriven, BrokerError>;

    /// Sends one back. False when there is no such dead letter.
    async fn redrive(&self, id: &str) -> Result<bool, BrokerError> {
        let redrive = Redrive { selection: Selection::of_ids([id]), ..Redrive::default() };
        let mut report = self.redrive_many(&redrive, &mut |_| {}).await?;
        match report.stopped.take().or_else(|| report.failed.pop().map(|failed| failed.error)) {
            Some(error) => Err(error),
            None => Ok(report.redriven > 0),
        }
    }

    /// Removes one for good. False when there is no such dead letter.
    ///
    /// # Errors
    /// As of [`DeadLetters::find`]. Where the broker went away it may be gone all the same.
    async fn drop_letter(&self, id: &str) -> Result<bool, BrokerError>;
}

/// A message that was given up on.
#[derive(Debug, Clone)]
pub struct DeadLetter {
    /// Its message id; where the producer gave none, a digest of its body.
    pub id: String,
    /// The routing key it was published with.
    pub routing_key: String,
    /// Why it is here, such as `rejected` or `delivery_limit`.
    pub reason: String,
    /// When it came here, if the broker says.
    pub dead_since: Option<OffsetDateTime>,
    /// How often it was sent to wait for another attempt before.
    pub attempts: u32,
    /// What the producer says that the body is.
    pub content_type: Option<String>,
    /// The W3C header of the request that led to it.
    pub traceparent: Option<String>,
    /// The event. It may hold personal data.
    pub body: Vec<u8>,
}

/// A dead letter without its body, and without personal data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct LetterSummary {
    /// Its message id; where the producer gave none, a digest of its body.
    pub id: String,
    /// The type of the event; none where the body does not say.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// The id of the user that the event is about; none where the body does not say.
    pub subject: Option<String>,
    /// The routing key it was published with.
    pub routing_key: String,
    /// Why it is here: `rejected`, `delivery_limit` …
    pub reason: String,
    /// When it came here, if the broker says.
    #[serde(with = "time::serde::rfc3339::option")]
    pub dead_since: Option<OffsetDateTime>,
    /// How often it was sent to wait for another attempt before.
    pub attempts: u32,
}

/// What of an event a summary shows.
#[derive(Default, Deserialize)]
struct Head {
    #[serde(rename = "type", default)]
    kind: Option<String>,
    #[serde(default)]
    subject: Option<String>,
}

impl DeadLetter {
    /// What may be shown of it without having been asked for its content.
    #[must_use]
    pub fn summary(&self) -> LetterSummary {
        let head: Head = serde_json::from_slice(&self.body).unwrap_or_default();
        // Who writes a body that cannot be read may have put an address where an id belongs.
        let is_plain = |text: &String| is_valid_user_id(text) && !text.contains('@');
        LetterSummary {
            id: self.id.clone(),
            kind: head.kind.map(|kind| kind.chars().take(MAX_TYPE_CHARS).collect()),
            subject: head.subject.filter(is_plain),
            routing_key: self.routing_key.clone(),
            reason: self.reason.clone(),
            dead_since: self.dead_since,
            attempts: self.attempts,
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::broker) fn letter(body: &str) -> DeadLetter {
        DeadLetter {
            id: "m1".to_owned(),
            routing_key: "user.registered".to_owned(),
            reason: "rejected".to_owned(),
            dead_since: None,
            attempts: 0,
            content_type: None,
            traceparent: None,
            body: body.as_bytes().to_vec(),
        }
    }

    #[test]
    fn a_summary_gives_no_address_away() {
        let told =
            letter(r#"{"type":"t.v1","subject":"ada@example.com","data":{"email":"ada@example.com"}}"#);
        assert_eq!((told.summary().kind.as_deref(), told.summary().subject), (Some("t.v1"), None));
        let told = letter(r#"{"type":"t.v1","subject":"u1"}"#).summary();
        assert_eq!(told.subject.as_deref(), Some("u1"));
        for odd in ["", "no json", "[]", r#"{"type": 7}"#] {
            let told = letter(odd).summary();
            assert_eq!((told.kind, told.subject), (None, None), "{odd}");
        }
    }
}
