//! One account as a batch sees it: what was loaded of it, and what the batch adds.
//!
//! Balances change in one place, `AccountState::book`, and only by the draws of the
//! entry that it writes: what the entries say is what there is.

use std::collections::{BTreeMap, BTreeSet};

use time::OffsetDateTime;
use uuid::Uuid;

use super::CREDITS_LIMIT;
use super::account::{Account, AccountStatus};
use super::allocation::{Allocation, Share};
use super::chain::{self, Made, Makes, SaltSeed};
use super::entry::{Draw, Entry, EntryKind};
use super::holdings::Holdings;
use super::idempotency::{IdempotencyKey, KeyRecord};
use super::policies::{Policies, Spending};
use super::receipt::Rejection;
use super::reservation::Reservation;
use super::usage::Usage;
use crate::rates::RateVersion;

/// An account as loaded for a batch, and what the batch adds to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountState {
    /// The account.
    pub account: Account,
    /// Whether the batch changed the account.
    pub is_changed: bool,
    /// Allocations that were loaded or made: see [`AccountState::spendable_needed`].
    pub allocations: Holdings<Allocation>,
    /// Usages that commands name or made.
    pub usages: Holdings<Usage>,
    /// Reservations that commands name or made, and those that are due.
    pub reservations: Holdings<Reservation>,
    /// Where something was due when the account was loaded: the next instant at which
    /// something else in the store will be. `AccountState::settle` relies on it.
    pub due_after: Option<OffsetDateTime>,
    /// Where more is due than one batch settles: the instant up to which all of it was
    /// loaded; of what falls due at it, some.
    pub due_until: Option<OffsetDateTime>,
    /// The rates in force, by resource, of those whose units commands name: see
    /// [`AccountState::resources_priced`].
    pub rates: BTreeMap<String, RateVersion>,
    /// Entries that the batch adds, in order.
    pub entries: Vec<Entry>,
    /// Keys that were used before, of those that the batch's commands carry.
    pub used_keys: Vec<KeyRecord>,
    /// Keys that the batch uses for the first time.
    pub new_keys: Vec<KeyRecord>,
    /// What the salts of free text are derived from: random where the batch is kept.
    pub salt_seed: SaltSeed,
    /// Whether an entry would have taken what is not there, so that what the store holds of
    /// the account cannot be right. Nothing of this state may be written then.
    pub is_overdrawn: bool,
}

/// An entry to be written.
pub(super) struct Booking<'a> {
    pub(super) kind: EntryKind,
    pub(super) draws: Vec<Draw>,
    pub(super) reference: Uuid,
    pub(super) actor: &'a str,
    pub(super) reason: Option<&'a str>,
    pub(super) at: OffsetDateTime,
}

impl AccountState {
    /// A state with nothing loaded but the account.
    #[must_use]
    pub fn new(account: Account) -> Self {
        Self {
            account,
            is_changed: false,
            allocations: Holdings::default(),
            usages: Holdings::default(),
            reservations: Holdings::default(),
            due_after: None,
            due_until: None,
            rates: BTreeMap::new(),
            entries: Vec::new(),
            used_keys: Vec::new(),
            new_keys: Vec::new(),
            salt_seed: SaltSeed::default(),
            is_overdrawn: false,
        }
    }

    /// What came of `key`, if it was used before.
    pub(super) fn record_of(&self, key: &IdempotencyKey) -> Option<&KeyRecord> {
        self.used_keys
            .iter()
            .chain(&self.new_keys)
            .find(|record| record.key.client == key.client && record.key.key == key.key)
    }

    /// That the balance stays below 2^53 with `credits` more, also when all that is
    /// pending has come.
    pub(super) fn require_room(&self, credits: i64) -> Result<(), Rejection> {
        let Account { available, reserved, pending, .. } = self.account;
        let sum = (available + reserved + pending).checked_add(credits);
        if sum.is_some_and(|sum| sum < CREDITS_LIMIT) { Ok(()) } else { Err(Rejection::BalanceLimit) }
    }

    /// That the account takes credits.
    pub(super) fn require_open(&self) -> Result<(), Rejection> {
        if self.account.status == AccountStatus::Closed { Err(Rejection::AccountClosed) } else { Ok(()) }
    }

    /// That the account may spend and reserve.
    pub(super) fn require_spending(&self, policies: Policies) -> Result<(), Rejection> {
        match self.account.status {
            AccountStatus::Closed => Err(Rejection::AccountClosed),
            AccountStatus::Suspended if policies.suspended_spending == Spending::Deny => {
                Err(Rejection::AccountSuspended)
            }
            AccountStatus::Placeholder | AccountStatus::Orphaned
                if policies.placeholder_spending == Spending::Deny =>
            {
                Err(Rejection::SpendingDenied)
            }
            _ => Ok(()),
        }
    }

    /// That every allocation of `shares` is held: the store must have loaded them.
    pub(super) fn require_held(&self, shares: &[Share]) -> Result<(), Rejection> {
        let is_held = |share: &Share| self.allocations.get(share.allocation_id).is_some();
        if shares.iter().all(is_held) { Ok(()) } else { Err(Rejection::BooksDisagree) }
    }

    /// That no entry has taken what is not there.
    pub(super) fn require_sound(&self) -> Result<(), Rejection> {
        if self.is_overdrawn { Err(Rejection::BooksDisagree) } else { Ok(()) }
    }

    /// Has the account looked at no later than `at`.
    pub(super) fn note_due(&mut self, at: OffsetDateTime) {
        self.account.next_due_at = Some(self.account.next_due_at.map_or(at, |next| next.min(at)));
        self.is_changed = true;
    }

    /// Writes an entry, and changes allocations and balances by what it draws. Whoever books
    /// has checked that it is there; where the store holds what cannot be right, the state
    /// is [`AccountState::is_overdrawn`] afterwards.
    ///
    /// # Panics
    /// When an allocation is not held.
    pub(super) fn book(&mut self, booking: Booking<'_>) {
        self.book_entry(booking, None, None);
    }

    /// The same, of an entry that makes a usage or a reservation. Allocations that an
    /// entry makes are found by themselves.
    ///
    /// # Panics
    /// As [`AccountState::book`].
    pub(super) fn book_making(&mut self, booking: Booking<'_>, made: Made<'_>) {
        self.book_entry(booking, None, Some(made));
    }

    /// The same for an entry of a transfer, with the user at its other end.
    ///
    /// # Panics
    /// As [`AccountState::book`].
    pub(super) fn book_between(&mut self, booking: Booking<'_>, counterparty: &str) {
        self.book_entry(booking, Some(counterparty), None);
    }

    fn book_entry(&mut self, booking: Booking<'_>, counterparty: Option<&str>, made: Option<Made<'_>>) {
        let Booking { kind, draws, reference, actor, reason, at } = booking;
        let draws = merged(draws);
        let at = self.account.decision_time(at);
        for draw in &draws {
            let held = self.allocations.get_mut(draw.allocation_id);
            let allocation = held.expect("an entry draws only on allocations that were loaded");
            allocation.remaining = allocation.remaining.saturating_add(draw.remaining);
            allocation.reserved = allocation.reserved.saturating_add(draw.reserved);
            let is_sound = allocation.remaining >= 0
                && allocation.reserved >= 0
                && allocation.remaining.saturating_add(allocation.reserved) <= allocation.credits;
            self.is_overdrawn |= !is_sound;
            // It may have been spent up before, and then nobody waited for its end.
            if let Some(end) = allocation.expires_at.filter(|end| draw.remaining > 0 && *end > at) {
                self.note_due(end);
            }
        }
        let account = &mut self.account;
        let sum = |part: fn(&Draw) -> i64| draws.iter().map(part).fold(0, i64::saturating_add);
        let (available, reserved) = (sum(|draw| draw.remaining), sum(|draw| draw.reserved));
        account.available = account.available.saturating_add(available);
        account.reserved = account.reserved.saturating_add(reserved);
        self.is_overdrawn |= account.available < 0 || account.reserved < 0;
        account.last_seq += 1;
        account.last_entry_at = Some(at);
        self.is_changed = true;
        let mut entry = Entry {
            seq: account.last_seq,
            kind,
            credits: available.saturating_add(reserved),
            balance_after: account.available.saturating_add(account.reserved),
            reserved_after: account.reserved,
            draws,
            reference,
            counterparty: counterparty.map(ToOwned::to_owned),
            actor: actor.to_owned(),
            reason: reason.map(ToOwned::to_owned),
            recorded_at: at,
            seal: chain::Seal::default(),
        };
        let made = made.map_or_else(|| self.allocations_made(&entry), |made| vec![made]);
        let Account { user_id, chain_head, .. } = &self.account;
        chain::seal(user_id, chain_head.as_ref(), &mut entry, &made, &self.salt_seed);
        self.account.chain_head = Some(entry.seal.hash);
        self.entries.push(entry);
    }

    /// The allocations that `entry` is the first to name.
    fn allocations_made(&self, entry: &Entry) -> Vec<Made<'_>> {
        let find = |id| self.allocations.get(id).map(Made::Allocation);
        match entry.makes() {
            Makes::Allocations => entry.draws.iter().filter_map(|draw| find(draw.allocation_id)).collect(),
            Makes::PendingAllocations => entry.pending_moved().filter_map(find).collect(),
            Makes::Allocation => find(entry.reference).into_iter().collect(),
            Makes::Usage | Makes::CapturingUsage | Makes::Reservation | Makes::Nothing => Vec::new(),
        }
    }

    /// Adds an allocation of which nothing remains yet, and the entry that books its credits.
    pub(super) fn credit(&mut self, kind: EntryKind, allocation: Allocation, reason: Option<&str>) {
        let (id, credits, at) = (allocation.id, allocation.credits, allocation.recorded_at);
        let actor = allocation.actor.clone();
        self.allocations.make(allocation);
        let draws = vec![Draw { allocation_id: id, remaining: credits, reserved: 0 }];
        self.book(Booking { kind, draws, reference: id, actor: &actor, reason, at });
    }
}

/// One draw an allocation, in the order of their first, without those that cancel out.
/// What changes nothing from the start was meant to be named, and stays.
fn merged(draws: Vec<Draw>) -> Vec<Draw> {
    let named: BTreeSet<Uuid> =
        draws.iter().filter(|draw| draw.is_nothing()).map(|draw| draw.allocation_id).collect();
    let mut merged: Vec<Draw> = Vec::with_capacity(draws.len());
    let mut places: BTreeMap<Uuid, usize> = BTreeMap::new();
    for draw in draws {
        let place = *places.entry(draw.allocation_id).or_insert(merged.len());
        if let Some(known) = merged.get_mut(place) {
            known.remaining += draw.remaining;
            known.reserved += draw.reserved;
        } else {
            merged.push(draw);
        }
    }
    merged.retain(|draw| !draw.is_nothing() || named.contains(&draw.allocation_id));
    merged
}

/// The draws that change `shares` by `(remaining, reserved)` credits a credit.
pub(super) fn draws(shares: &[Share], (remaining, reserved): (i64, i64)) -> Vec<Draw> {
    let draw = |share: &Share| Draw {
        allocation_id: share.allocation_id,
        remaining: remaining * share.credits,
        reserved: reserved * share.credits,
    };
    shares.iter().map(draw).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_on_one_allocation_are_one_and_what_cancels_out_is_none() {
        let draw = |id, remaining, reserved| Draw { allocation_id: Uuid::from_u128(id), remaining, reserved };
        let draws = vec![
            draw(1, 5, 0),
            draw(2, 0, 0),
            draw(1, -5, 0),
            draw(3, 3, -3),
            draw(4, 1, -1),
            draw(3, -1, 3),
            draw(4, -1, 2),
        ];
        assert_eq!(merged(draws), [draw(2, 0, 0), draw(3, 2, 0), draw(4, 0, 1)]);
    }
}
