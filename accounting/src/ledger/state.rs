//! One account as a batch sees it: what was loaded of it, and what the batch adds.

use time::OffsetDateTime;
use uuid::Uuid;

use super::CREDITS_LIMIT;
use super::account::{Account, Allocation, Entry, EntryKind};
use super::idempotency::{IdempotencyKey, KeyRecord};

/// What a batch did to something that it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Loaded, and still as it was.
    None,
    /// Loaded and changed.
    Updated,
    /// Made by the batch.
    Made,
}

/// An allocation in a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldAllocation {
    /// The allocation.
    pub allocation: Allocation,
    /// What the batch did to it.
    pub change: Change,
}

/// An account as loaded for a batch, and what the batch adds to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountState {
    /// The account.
    pub account: Account,
    /// Whether the batch changed the account.
    pub is_changed: bool,
    /// Allocations that were loaded or made. Of those in the store these must be
    /// there: where an expiry is due, all that have run out and the next that will.
    pub allocations: Vec<HeldAllocation>,
    /// Entries that the batch adds, in order.
    pub entries: Vec<Entry>,
    /// Keys that were used before, of those that the batch's commands carry.
    pub used_keys: Vec<KeyRecord>,
    /// Keys that the batch uses for the first time.
    pub new_keys: Vec<KeyRecord>,
}

impl AccountState {
    /// A state with nothing loaded but the account.
    #[must_use]
    pub fn new(account: Account) -> Self {
        Self {
            account,
            is_changed: false,
            allocations: Vec::new(),
            entries: Vec::new(),
            used_keys: Vec::new(),
            new_keys: Vec::new(),
        }
    }

    /// Adds an allocation that the store holds.
    pub fn hold(&mut self, allocation: Allocation) {
        self.allocations.push(HeldAllocation { allocation, change: Change::None });
    }

    /// What came of `key`, if it was used before.
    pub(super) fn record_of(&self, key: &IdempotencyKey) -> Option<&KeyRecord> {
        self.used_keys
            .iter()
            .chain(&self.new_keys)
            .find(|record| record.key.client == key.client && record.key.key == key.key)
    }

    /// Whether the balance stays below 2^53 with `credits` more.
    pub(super) fn has_room_for(&self, credits: i64) -> bool {
        let balance = self.account.available + self.account.reserved;
        balance.checked_add(credits).is_some_and(|sum| sum < CREDITS_LIMIT)
    }

    /// Takes out what has run out by `now`, in the order in which it did.
    pub(super) fn book_expiries(&mut self, now: OffsetDateTime) {
        if !self.account.is_expiry_due(now) {
            return;
        }
        let mut ended: Vec<usize> = (0..self.allocations.len())
            .filter(|&index| {
                let allocation = &self.allocations[index].allocation;
                allocation.remaining > 0 && allocation.expires_at.is_some_and(|at| at <= now)
            })
            .collect();
        ended.sort_by_key(|&index| {
            (self.allocations[index].allocation.expires_at, self.allocations[index].allocation.id)
        });
        for index in ended {
            let held = &mut self.allocations[index];
            let lost = std::mem::take(&mut held.allocation.remaining);
            if held.change == Change::None {
                held.change = Change::Updated;
            }
            let id = held.allocation.id;
            self.book(EntryKind::Expiry, -lost, id, "system", now);
        }
        self.account.next_expiry_at = self
            .allocations
            .iter()
            .filter(|held| held.allocation.remaining > 0)
            .filter_map(|held| held.allocation.expires_at)
            .min();
        self.is_changed = true;
    }

    /// Adds an allocation and the entry that books it.
    pub(super) fn credit(&mut self, kind: EntryKind, allocation: Allocation) {
        if let Some(end) = allocation.expires_at {
            let next = self.account.next_expiry_at.map_or(end, |next| next.min(end));
            self.account.next_expiry_at = Some(next);
        }
        let (credits, id, now) = (allocation.credits, allocation.id, allocation.recorded_at);
        self.book(kind, credits, id, &allocation.actor, now);
        self.allocations.push(HeldAllocation { allocation, change: Change::Made });
    }

    fn book(&mut self, kind: EntryKind, credits: i64, allocation_id: Uuid, actor: &str, now: OffsetDateTime) {
        let account = &mut self.account;
        account.available += credits;
        account.last_seq += 1;
        account.last_entry_at = Some(now);
        self.is_changed = true;
        self.entries.push(Entry {
            seq: account.last_seq,
            kind,
            credits,
            balance_after: account.available + account.reserved,
            allocation_id,
            actor: actor.to_owned(),
            recorded_at: now,
        });
        assert!(account.available >= 0, "an account was overdrawn: the books of its allocations are wrong");
    }
}
