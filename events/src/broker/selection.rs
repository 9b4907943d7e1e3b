//! Which dead letters are meant, how fast they go, and what became of them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::{BrokerError, LetterSummary};

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

#[cfg(test)]
mod tests {
    use super::super::dead_letters::tests::letter;
    use super::*;

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
