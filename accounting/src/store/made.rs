//! What entries made: the allocations, usages and reservations that each was the first to name.

use std::collections::HashMap;

use uuid::Uuid;

use crate::ledger::chain::{Made, Makes};
use crate::ledger::{Allocation, Entry, Reservation, Usage};

/// An entry with its account's id.
pub type OwnEntry = (String, Entry);
/// An id within an account.
pub(super) type Key = (String, Uuid);

/// Rows that some entries made, by their ids.
#[derive(Debug, Default)]
pub struct MadeRows {
    pub(super) allocations: HashMap<Key, Allocation>,
    pub(super) usages: HashMap<Key, Usage>,
    pub(super) reservations: HashMap<Key, Reservation>,
}

impl MadeRows {
    /// What `entry` made, as far as it is there.
    #[must_use]
    pub fn of(&self, user_id: &str, entry: &Entry) -> Vec<Made<'_>> {
        let key = |id: Uuid| (user_id.to_owned(), id);
        let allocation = |id| self.allocations.get(&key(id)).map(Made::Allocation);
        let usage = |id| self.usages.get(&key(id)).map(Made::Usage);
        let reservation = || self.reservations.get(&key(entry.reference));
        match entry.makes() {
            Makes::Allocations => {
                entry.draws.iter().filter_map(|draw| allocation(draw.allocation_id)).collect()
            }
            Makes::PendingAllocations => entry.pending_moved().filter_map(allocation).collect(),
            Makes::Allocation => allocation(entry.reference).into_iter().collect(),
            Makes::Usage => usage(entry.reference).into_iter().collect(),
            Makes::CapturingUsage => {
                reservation().and_then(|one| one.usage_id).and_then(usage).into_iter().collect()
            }
            Makes::Reservation => reservation().map(Made::Reservation).into_iter().collect(),
            Makes::Nothing => Vec::new(),
        }
    }
}

/// The allocations that `entries` made.
pub(super) fn allocations(entries: &[OwnEntry]) -> Vec<Key> {
    let made = |(user_id, entry): &OwnEntry| {
        let ids: Vec<Uuid> = match entry.makes() {
            Makes::Allocations => entry.draws.iter().map(|draw| draw.allocation_id).collect(),
            Makes::PendingAllocations => entry.pending_moved().collect(),
            Makes::Allocation => vec![entry.reference],
            _ => Vec::new(),
        };
        ids.into_iter().map(|id| (user_id.clone(), id)).collect::<Vec<_>>()
    };
    entries.iter().flat_map(made).collect()
}

/// The reservations that `entries` made or captured.
pub(super) fn reservations(entries: &[OwnEntry]) -> Vec<Key> {
    let is_about_one = |entry: &Entry| matches!(entry.makes(), Makes::Reservation | Makes::CapturingUsage);
    let about = entries.iter().filter(|(_, entry)| is_about_one(entry));
    about.map(|(user_id, entry)| (user_id.clone(), entry.reference)).collect()
}

/// The usages that `entries` made, by captures too, whose reservations are `rows`'.
pub(super) fn usages(entries: &[OwnEntry], rows: &MadeRows) -> Vec<Key> {
    let made = |(user_id, entry): &OwnEntry| {
        let id = match entry.makes() {
            Makes::Usage => entry.reference,
            Makes::CapturingUsage => rows.reservations.get(&(user_id.clone(), entry.reference))?.usage_id?,
            _ => return None,
        };
        Some((user_id.clone(), id))
    };
    entries.iter().filter_map(made).collect()
}
