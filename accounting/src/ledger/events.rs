//! Events out of what a batch has booked: one an entry, and one whenever what is available
//! falls below the threshold.
//!
//! Everything follows from the entries: an entry tells the balance before and after it. So
//! a restart repeats nothing, and what an entry is told as never depends on who looks.

use accrue_events::account::{AccountEvent, BalanceLow, Booked, BookedKind, Happening, Parts};
use sha2::{Digest as _, Sha256};
use uuid::{Builder, Uuid};

use super::decide::Accounts;
use super::entry::{Entry, EntryKind};
use super::reservation::ReservationStatus;
use super::state::AccountState;

/// Whether what is booked becomes events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventPolicy {
    /// It does not.
    Off,
    /// It does.
    On {
        /// What is available is low below this; 0 is no threshold.
        balance_low: i64,
    },
}

/// The events of everything that a batch has booked, in the order of each account's entries.
#[must_use]
pub fn events_of(accounts: &Accounts, policy: EventPolicy) -> Vec<AccountEvent> {
    match policy {
        EventPolicy::Off => Vec::new(),
        EventPolicy::On { balance_low } => {
            accounts.values().flat_map(|state| state.events(balance_low)).collect()
        }
    }
}

impl AccountState {
    /// The events of the entries that the batch added.
    fn events(&self, balance_low: i64) -> impl Iterator<Item = AccountEvent> {
        let of_entry = move |entry| [Some(self.booked(entry)), self.balance_low(entry, balance_low)];
        self.entries.iter().flat_map(of_entry).flatten()
    }

    fn booked(&self, entry: &Entry) -> AccountEvent {
        let none = Booked {
            user_id: self.account.user_id.clone(),
            seq: entry.seq,
            kind: entry.kind.word().to_owned(),
            credits: entry.credits,
            change: change(entry),
            balance: after(entry),
            allocation_id: None,
            usage_id: None,
            reservation_id: None,
            adjustment_id: None,
            transfer_id: None,
        };
        let reference = Some(entry.reference);
        let (kind, booked) = match entry.kind {
            EntryKind::Allocation | EntryKind::Welcome | EntryKind::Adoption => {
                (BookedKind::CreditsAllocated, Booked { allocation_id: reference, ..none })
            }
            EntryKind::Expiry => (BookedKind::CreditsExpired, Booked { allocation_id: reference, ..none }),
            EntryKind::Void => (BookedKind::CreditsVoided, Booked { allocation_id: reference, ..none }),
            EntryKind::Usage => (BookedKind::CreditsUsed, Booked { usage_id: reference, ..none }),
            EntryKind::Refund => (BookedKind::CreditsRefunded, Booked { usage_id: reference, ..none }),
            EntryKind::Reservation => {
                (BookedKind::CreditsReserved, Booked { reservation_id: reference, ..none })
            }
            EntryKind::Release => (self.release(entry), Booked { reservation_id: reference, ..none }),
            EntryKind::Capture => {
                let usage_id = self.reservations.get(entry.reference).and_then(|one| one.usage_id);
                (BookedKind::CreditsUsed, Booked { reservation_id: reference, usage_id, ..none })
            }
            EntryKind::Adjustment => {
                (BookedKind::BalanceAdjusted, Booked { adjustment_id: reference, ..none })
            }
            EntryKind::TransferOut | EntryKind::TransferIn => {
                (BookedKind::CreditsTransferred, Booked { transfer_id: reference, ..none })
            }
        };
        self.event("booked", entry, Happening::Booked(kind, booked))
    }

    /// How credits came back: a batch that books it holds the reservation, which ends once.
    fn release(&self, entry: &Entry) -> BookedKind {
        match self.reservations.get(entry.reference).map(|one| one.status) {
            Some(ReservationStatus::Expired) => BookedKind::ReservationExpired,
            _ => BookedKind::ReservationReleased,
        }
    }

    /// An event if what is available was at least `threshold` before `entry` and is less after it.
    fn balance_low(&self, entry: &Entry, threshold: i64) -> Option<AccountEvent> {
        let balance = after(entry);
        let before = balance.available - change(entry).available;
        let has_fallen = before >= threshold && balance.available < threshold;
        has_fallen.then(|| {
            let user_id = self.account.user_id.clone();
            let low = BalanceLow { user_id, seq: entry.seq, threshold, balance };
            self.event("balance low", entry, Happening::BalanceLow(low))
        })
    }

    fn event(&self, what: &str, entry: &Entry, happening: Happening) -> AccountEvent {
        let id = event_id(what, &self.account.user_id, entry);
        AccountEvent { id, occurred_at: entry.recorded_at, happening }
    }
}

/// By how much the parts of the balance changed.
fn change(entry: &Entry) -> Parts {
    Parts {
        available: entry.draws.iter().map(|draw| draw.remaining).sum(),
        reserved: entry.draws.iter().map(|draw| draw.reserved).sum(),
    }
}

fn after(entry: &Entry) -> Parts {
    Parts { available: entry.balance_after - entry.reserved_after, reserved: entry.reserved_after }
}

/// A UUID of version 7 that is always the same for the same entry: its instant, and a
/// digest in place of the random bits. So an event that were ever made again would be
/// known by its id.
fn event_id(what: &str, user_id: &str, entry: &Entry) -> Uuid {
    let nanoseconds = entry.recorded_at.unix_timestamp_nanos();
    let mut hash = Sha256::new();
    for part in ["accrue event", what, user_id] {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    hash.update(entry.seq.to_be_bytes());
    hash.update((nanoseconds / 1_000).to_be_bytes());
    let mut bits = [0; 10];
    bits.copy_from_slice(&hash.finalize()[..10]);
    // Of an instant before 1970, to which only a clock that is wrong leads, the digest tells.
    let milliseconds = u64::try_from(nanoseconds / 1_000_000).unwrap_or(0);
    Builder::from_unix_timestamp_millis(milliseconds, &bits).into_uuid()
}
