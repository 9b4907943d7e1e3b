//! Dead letters: how they are looked at, picked out, sent back and dropped.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::BrokerError;
use crate::user::is_valid_user_id;

/// The longest type that a summary repeats, in characters: anybody may send one of any length.
const MAX_TYPE_CHARS: usize = 100;

/// The messages that were given up on.
#[async_trait]
pub trait DeadLetters: Send + Sync + 'static {
    /// Up to `limit` dead letters, oldest first as far as the broker tells their
    /// times. They stay where they are.
    async fn list(&self, limit: usize) -> Result<Vec<DeadLetter>, BrokerError>;

    /// What there is of a selection, by kind and one by one, without any body being kept.
    /// Everything stays where it is.
    async fn survey(&self, look: &Look) -> Result<Survey, BrokerError>;

    /// One with its body. None when there is no such dead letter.
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

/// Which dead letters are meant: those that everything here holds for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// One letter of each of these ids; empty for all letters.
    pub ids: BTreeSet<String>,
    /// Events of this type.
    pub kind: Option<String>,
    /// Letters that the broker says died then or later.
    pub since: Option<OffsetDateTime>,
}

impl Selection {
    /// One letter of each of `ids`.
    pub fn of_ids<I: Into<String>>(ids: impl IntoIterator<Item = I>) -> Self {
        Self { ids: ids.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    /// Whether it is meant.
    #[must_use]
    pub fn takes(&self, letter: &LetterSummary) -> bool {
        (self.ids.is_empty() || self.ids.contains(&letter.id))
            && self.kind.as_ref().is_none_or(|kind| letter.kind.as_ref() == Some(kind))
            && self.since.is_none_or(|since| letter.dead_since.is_some_and(|at| at >= since))
    }
}

/// What is to be looked at.
#[derive(Debug, Clone)]
pub struct Look {
    /// Which letters.
    pub selection: Selection,
    /// How many are told one by one, the oldest; all are counted.
    pub limit: usize,
    /// How long it may take. Past it, what was seen is told.
    pub patience: Duration,
}

/// What a look showed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Survey {
    /// The oldest of the selection.
    pub letters: Vec<LetterSummary>,
    /// How many of the selection there are, by type and reason.
    pub counts: BTreeMap<(Option<String>, String), u64>,
    /// Whether everything was looked at.
    pub is_complete: bool,
}

/// How many letters of one type there are for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct LetterCount {
    /// The type of the events; none where their bodies do not say.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Why they are here.
    pub reason: String,
    /// How many.
    pub count: u64,
}

impl Survey {
    /// How many letters of the selection there are.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    /// The counts, one after the other.
    #[must_use]
    pub fn by_kind(&self) -> Vec<LetterCount> {
        let count = |((kind, reason), count): (&(Option<String>, String), &u64)| LetterCount {
            kind: kind.clone(),
            reason: reason.clone(),
            count: *count,
        };
        self.counts.iter().map(count).collect()
    }

    /// Takes one in.
    pub(super) fn add(&mut self, letter: LetterSummary, limit: usize) {
        *self.counts.entry((letter.kind.clone(), letter.reason.clone())).or_default() += 1;
        self.letters.push(letter);
        if self.letters.len() > limit.saturating_mul(2) {
            self.keep_oldest(limit);
        }
    }

    /// Not in the queue's order, which changes with every look on RabbitMQ. It tells the
    /// second of a death; within one it is the ids that order, ours by the time of the event.
    pub(super) fn keep_oldest(&mut self, limit: usize) {
        self.letters.sort_by(|a, b| (a.dead_since, &a.id).cmp(&(b.dead_since, &b.id)));
        self.letters.truncate(limit);
    }
}

/// What is to be sent back.
#[derive(Debug, Clone)]
pub struct Redrive {
    /// Which letters.
    pub selection: Selection,
    /// How many at most, in the order in which the broker gives them.
    pub limit: u64,
    /// How many a second at most; as fast as they are confirmed if none is given.
    pub rate: Option<u32>,
    /// How long it may take. Past it the rest is left.
    pub patience: Duration,
}

impl Default for Redrive {
    /// Everything, at once, within five minutes.
    fn default() -> Self {
        let patience = Duration::from_mins(5);
        Self { selection: Selection::default(), limit: u64::MAX, rate: None, patience }
    }
}

/// What became of a selection.
#[derive(Debug, Default)]
pub struct Redriven {
    /// How many are in their queue again.
    pub redriven: u64,
    /// Those that could not be sent. They are dead letters still.
    pub failed: Vec<FailedRedrive>,
    /// Asked for by their ids, and not there.
    pub not_found: Vec<String>,
    /// How many of the selection were seen and left because of the limit.
    pub left: u64,
    /// Whether everything was looked at: if not, there may be more left.
    pub is_complete: bool,
    /// What ended it early.
    pub stopped: Option<BrokerError>,
}

/// A letter that could not be sent.
#[derive(Debug)]
pub struct FailedRedrive {
    /// Its id.
    pub id: String,
    /// Why.
    pub error: BrokerError,
}

/// What of a selection is still to be met: one letter an id.
pub(super) struct Wanted {
    selection: Selection,
    is_by_id: bool,
}

impl Wanted {
    pub(super) fn new(selection: &Selection) -> Self {
        Self { is_by_id: !selection.ids.is_empty(), selection: selection.clone() }
    }

    /// Whether this letter is meant. The second of an id is not.
    pub(super) fn takes(&mut self, letter: &LetterSummary) -> bool {
        !self.is_done()
            && self.selection.takes(letter)
            && (!self.is_by_id || self.selection.ids.remove(&letter.id))
    }

    /// Whether nothing more can be met.
    pub(super) fn is_done(&self) -> bool {
        self.is_by_id && self.selection.ids.is_empty()
    }

    /// The ids that were not met.
    pub(super) fn rest(self) -> Vec<String> {
        self.selection.ids.into_iter().collect()
    }
}

/// Lets so many letters through a second.
pub(super) struct Pace {
    interval: Duration,
    next: tokio::time::Instant,
}

impl Pace {
    pub(super) fn new(rate: Option<u32>) -> Self {
        let interval = rate.map_or(Duration::ZERO, |rate| Duration::from_secs(1) / rate.max(1));
        Self { interval, next: tokio::time::Instant::now() }
    }

    pub(super) async fn wait(&mut self) {
        if !self.interval.is_zero() {
            tokio::time::sleep_until(self.next).await;
            self.next = self.next.max(tokio::time::Instant::now()) + self.interval;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(body: &str) -> DeadLetter {
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

    #[test]
    fn an_id_is_met_once() {
        let mut wanted = Wanted::new(&Selection::of_ids(["m1", "m2"]));
        let first = letter("").summary();
        assert!(wanted.takes(&first));
        assert!(!wanted.takes(&first), "the second of this id");
        assert!(!wanted.is_done());
        assert_eq!(wanted.rest(), ["m2"]);
    }

    #[test]
    fn a_letter_of_an_unknown_time_is_not_since() {
        let since = Some(OffsetDateTime::UNIX_EPOCH);
        assert!(!Selection { since, ..Selection::default() }.takes(&letter("").summary()));
        assert!(Selection::default().takes(&letter("").summary()));
    }
}
