//! Events that are leased to this process's relay as they are written, so that it need not
//! look for them: see `docs/decisions/0023-new-events-are-handed-to-the-relay.md`.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use accrue_events::outbox::{Claim, Entry};
use mongodb::bson::{DateTime, Uuid as BsonUuid};
use serde::Serialize;
use time::OffsetDateTime;
use uuid::Uuid;

use super::document::{to_bson, to_bson_uuid};

/// Entries that wait for the relay in memory at most: as many as it publishes before it waits
/// for confirms. What is written beyond is not leased, and found like any other.
const MOST: usize = 256;
/// How often the outbox is looked at though nobody asked for it: somewhat less than the second
/// for which a relay rests, so that each time it wakes it looks.
const LOOK_AFTER: Duration = Duration::from_millis(900);
/// How long a look that was asked for waits for what is in memory to be published first.
const ASKED_LOOK_AFTER: Duration = Duration::from_millis(100);

/// A lease as it stands in a user's document.
#[derive(Clone, Copy, Serialize)]
pub(super) struct Lease {
    token: BsonUuid,
    until: DateTime,
}

/// What a process hands from its writers to its relay.
#[derive(Default)]
pub(super) struct Handover(Mutex<State>);

#[derive(Default)]
struct State {
    /// How long a lease holds; none while no relay runs.
    lease: Option<Duration>,
    token: Uuid,
    waiting: VecDeque<(OffsetDateTime, Entry)>,
    /// Whether there is, or may be, something in the outbox that is not in memory.
    must_look: bool,
    looked_at: Option<Instant>,
    /// Whether nothing was taken from memory since: looks that are slow do not come twice in a
    /// row, or what waits here would never have its turn.
    looked_last: bool,
}

/// What a relay is to do next.
pub(super) enum Next {
    /// Publish what was handed over.
    Take(Claim),
    /// Look at the outbox.
    Look,
    /// Nothing, until it is woken or its time has come.
    Rest,
}

impl Handover {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A relay runs from now on, whose claims hold for `lease`.
    pub(super) fn begin(&self, lease: Duration) {
        *self.state() = State { lease: Some(lease), token: Uuid::new_v4(), ..State::default() };
    }

    /// No relay runs any more. Gives what it has not come to.
    pub(super) fn end(&self) -> Claim {
        let state = std::mem::take(&mut *self.state());
        Claim { token: state.token, entries: state.waiting.into_iter().map(|(_, entry)| entry).collect() }
    }

    /// The lease with which an entry is to be written now, if it can be handed over, and its end.
    pub(super) fn lease(&self, now: OffsetDateTime) -> Option<(Lease, OffsetDateTime)> {
        let state = self.state();
        let until = now + state.lease.filter(|_| state.waiting.len() < MOST)?;
        Some((Lease { token: to_bson_uuid(state.token), until: to_bson(until) }, until))
    }

    /// Hands over an entry that was written with a lease until then.
    pub(super) fn hand(&self, until: OffsetDateTime, entry: Entry) {
        let mut state = self.state();
        // Written for a relay that has ended since: its lease ends by itself.
        if state.lease.is_some() {
            state.waiting.push_back((until, entry));
        }
    }

    /// Takes back what waits of this user, whom this process has erased: the address is not to go
    /// out after that. Who is erased by another process meanwhile is still published first, as by
    /// a relay that had claimed it; a lease ends that.
    pub(super) fn forget(&self, user_id: &str) {
        self.state().waiting.retain(|(_, entry)| entry.owner != user_id);
    }

    /// There is something in the outbox for the relay to look for: written by somebody else than
    /// a registration, released, or left behind by a claim that was full.
    pub(super) fn ask_for_look(&self) {
        self.state().must_look = true;
    }

    /// What to do next. Takes at most `limit` entries, and drops those that are past half their
    /// lease: the outbox still has them, and whoever looks when it has ended finds them.
    pub(super) fn next(&self, limit: usize, now: OffsetDateTime) -> Next {
        let mut state = self.state();
        let Some(lease) = state.lease else { return Next::Look };
        state.waiting.retain(|(until, _)| *until - lease / 2 > now);
        let looks_after = if state.must_look { ASKED_LOOK_AFTER } else { LOOK_AFTER };
        let is_time = state.looked_at.is_none_or(|at| at.elapsed() >= looks_after);
        if state.waiting.is_empty() {
            if !is_time && !state.must_look {
                return Next::Rest;
            }
            return state.look();
        }
        if is_time && !state.looked_last {
            return state.look();
        }
        state.looked_last = false;
        let count = state.waiting.len().min(limit);
        let entries = state.waiting.drain(..count).map(|(_, entry)| entry).collect();
        Next::Take(Claim { token: state.token, entries })
    }

    /// Whether a claim is one of what was handed over.
    pub(super) fn is_handed_over(&self, claim: &Claim) -> bool {
        let state = self.state();
        state.lease.is_some() && state.token == claim.token
    }
}

impl State {
    fn look(&mut self) -> Next {
        self.looked_at = Some(Instant::now());
        self.looked_last = true;
        self.must_look = false;
        Next::Look
    }
}

#[cfg(test)]
mod tests {
    use accrue_events::broker::Message;

    use super::*;

    const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;
    const LEASE: Duration = Duration::from_secs(10);

    fn entry(owner: &str) -> Entry {
        let message = Message {
            id: Uuid::nil(),
            routing_key: String::new(),
            content_type: String::new(),
            body: Vec::new(),
            traceparent: None,
        };
        Entry { owner: owner.to_owned(), message }
    }

    fn owners(next: Next) -> Vec<String> {
        match next {
            Next::Take(claim) => claim.entries.into_iter().map(|entry| entry.owner).collect(),
            Next::Look => vec!["(look)".to_owned()],
            Next::Rest => Vec::new(),
        }
    }

    #[test]
    fn what_was_written_for_a_relay_is_handed_to_it() {
        let handover = Handover::default();
        assert!(handover.lease(NOW).is_none(), "no relay runs");
        assert_eq!(owners(handover.next(9, NOW)), ["(look)"]);
        handover.begin(LEASE);
        assert_eq!(owners(handover.next(9, NOW)), ["(look)"], "what others have left");
        assert!(owners(handover.next(9, NOW)).is_empty());
        for owner in ["a", "b", "c"] {
            let (_, until) = handover.lease(NOW).expect("a relay runs");
            handover.hand(until, entry(owner));
        }
        assert_eq!(owners(handover.next(2, NOW)), ["a", "b"]);
        assert_eq!(owners(handover.next(2, NOW)), ["c"]);
        handover.ask_for_look();
        assert_eq!(owners(handover.next(2, NOW)), ["(look)"]);
        assert!(owners(handover.next(2, NOW)).is_empty());
    }

    #[test]
    fn looks_that_take_long_leave_room_for_what_waits() {
        let handover = Handover::default();
        handover.begin(LEASE);
        handover.hand(NOW + LEASE, entry("a"));
        handover.hand(NOW + LEASE, entry("b"));
        let next = || {
            // The last look has found something, and took so long that the next one is due.
            handover.ask_for_look();
            std::thread::sleep(ASKED_LOOK_AFTER);
            owners(handover.next(1, NOW))
        };
        assert_eq!([next(), next(), next(), next()].concat(), ["(look)", "a", "(look)", "b"]);
    }

    #[test]
    fn what_was_erased_is_not_published_any_more() {
        let handover = Handover::default();
        handover.begin(LEASE);
        handover.next(9, NOW);
        for owner in ["a", "b", "a"] {
            handover.hand(NOW + LEASE, entry(owner));
        }
        handover.forget("a");
        assert_eq!(owners(handover.next(9, NOW)), ["b"]);
    }

    #[test]
    fn what_waited_too_long_is_left_to_whoever_finds_it() {
        let handover = Handover::default();
        handover.begin(LEASE);
        handover.next(9, NOW);
        handover.hand(NOW + LEASE, entry("a"));
        handover.hand(NOW + LEASE + LEASE / 2, entry("b"));
        assert_eq!(owners(handover.next(9, NOW + LEASE / 2)), ["b"]);
    }

    #[test]
    fn memory_is_bounded_and_goes_with_the_relay() {
        let handover = Handover::default();
        handover.begin(LEASE);
        for _ in 0..MOST {
            let (_, until) = handover.lease(NOW).expect("there is room");
            handover.hand(until, entry("a"));
        }
        assert!(handover.lease(NOW).is_none(), "there is none");
        assert_eq!(handover.end().entries.len(), MOST);
        handover.hand(NOW + LEASE, entry("late"));
        assert!(handover.end().entries.is_empty());
    }
}
