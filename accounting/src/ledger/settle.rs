//! What falls due by itself: an allocation's time comes, a reservation's is over, an
//! allocation ends. Booked in the order in which it did, before anything is decided.
//!
//! An entry of what fell due has the instant at which it did. So it does not matter
//! when somebody looks: the books end up the same.

use time::OffsetDateTime;
use uuid::Uuid;

use super::allocation::{Allocation, Share};
use super::command::SYSTEM;
use super::entry::{Draw, EntryKind};
use super::receipt::Rejection;
use super::reservation::ReservationStatus;
use super::state::{AccountState, Booking, draws};

/// What falls due, in the order in which it is booked where it does so at one instant:
/// credits come before any go, and what comes back from a reservation can still end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Beginning,
    Release,
    End,
}

impl AccountState {
    /// Books everything that has fallen due by `now`. Where something has, the store
    /// must have loaded all of it and `due_after`; or, where it is very much, the first of it
    /// and [`due_until`](AccountState::due_until): then that is booked, and the account is
    /// still due afterwards.
    ///
    /// # Errors
    /// [`Rejection::BooksDisagree`]: a reservation draws on what is not there, and nothing
    /// was changed; or the state [is overdrawn](AccountState::is_overdrawn).
    pub fn settle(&mut self, now: OffsetDateTime) -> Result<(), Rejection> {
        if !self.account.is_due(now) {
            return Ok(());
        }
        let now = self.account.decision_time(now);
        let until = self.due_until.map_or(now, |until| until.min(now));
        let mut due: Vec<(OffsetDateTime, Due, Uuid)> =
            self.instants().filter(|(at, _, _)| *at <= until).collect();
        due.sort_unstable();
        for (_, what, id) in &due {
            if let (Due::Release, Some(reservation)) = (what, self.reservations.get(*id)) {
                self.require_held(&reservation.draws)?;
            }
        }
        for (at, what, id) in due {
            match what {
                Due::Beginning => self.begin(id, at),
                Due::Release => self.give_back(id, at, (SYSTEM, ReservationStatus::Expired)),
                Due::End => self.drop_ended(id, at),
            }
        }
        let later = self.instants().map(|(at, _, _)| at).filter(|at| *at > now).min();
        let next = later.into_iter().chain(self.due_after).min();
        self.account.next_due_at = self.due_until.or(next);
        self.is_changed = true;
        self.require_sound()
    }

    /// That all that has fallen due by `now` is booked.
    pub(super) fn require_settled(&self, now: OffsetDateTime) -> Result<(), Rejection> {
        if self.account.is_due(now) { Err(Rejection::AccountBusy) } else { Ok(()) }
    }

    /// Every instant at which something that is held will fall due, or has.
    fn instants(&self) -> impl Iterator<Item = (OffsetDateTime, Due, Uuid)> {
        let beginnings = self.allocations.iter().filter(|one| one.is_pending);
        let beginnings = beginnings.filter_map(|one| Some((one.effective_at?, Due::Beginning, one.id)));
        // What is held of an allocation may come back before its end does.
        let can_end = |one: &&Allocation| one.is_pending || one.remaining + one.reserved > 0;
        let ends = self.allocations.iter().filter(can_end);
        let ends = ends.filter_map(|one| Some((one.expires_at?, Due::End, one.id)));
        let releases = self.reservations.iter().filter(|one| one.is_held());
        let releases = releases.map(|one| (one.expires_at, Due::Release, one.id));
        beginnings.chain(ends).chain(releases)
    }

    /// The time of a pending allocation has come.
    pub(super) fn begin(&mut self, id: Uuid, at: OffsetDateTime) {
        let Some(allocation) = self.allocations.get_mut(id) else { return };
        allocation.is_pending = false;
        let (credits, actor) = (allocation.credits, allocation.actor.clone());
        self.account.pending -= credits;
        let draws = vec![Draw { allocation_id: id, remaining: credits, reserved: 0 }];
        let kind = EntryKind::Allocation;
        self.book(Booking { kind, draws, reference: id, actor: &actor, reason: None, at });
    }

    /// Gives back what a reservation holds, and marks it as having ended.
    pub(super) fn give_back(
        &mut self,
        id: Uuid,
        at: OffsetDateTime,
        (actor, status): (&str, ReservationStatus),
    ) {
        let Some(reservation) = self.reservations.get_mut(id) else { return };
        reservation.status = status;
        reservation.ended_at = Some(at);
        let shares = reservation.draws.clone();
        let kind = EntryKind::Release;
        let draws = draws(&shares, (1, -1));
        self.book(Booking { kind, draws, reference: id, actor, reason: None, at });
        self.drop_returned(&shares, at);
    }

    /// Of what has come back: books out at once what came to allocations that have
    /// ended meanwhile.
    pub(super) fn drop_returned(&mut self, shares: &[Share], at: OffsetDateTime) {
        for share in shares {
            self.drop_ended(share.allocation_id, at);
        }
    }

    /// Books out what remains of an allocation that has ended by `at`, or was voided.
    fn drop_ended(&mut self, id: Uuid, at: OffsetDateTime) {
        let Some(allocation) = self.allocations.get(id) else { return };
        let kind = if allocation.is_voided { EntryKind::Void } else { EntryKind::Expiry };
        let is_over = allocation.is_voided || allocation.has_ended(at);
        if is_over && allocation.remaining > 0 {
            let draws = vec![Draw { allocation_id: id, remaining: -allocation.remaining, reserved: 0 }];
            self.book(Booking { kind, draws, reference: id, actor: SYSTEM, reason: None, at });
        }
    }
}
