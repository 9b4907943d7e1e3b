//! What the entries say of allocations, usages and reservations, in bounded memory.

use std::collections::BTreeMap;

use time::OffsetDateTime;
use uuid::Uuid;

use crate::ledger::EntryKind;

/// How many are counted at once: about 60 MB. Accounts that have more are gone through
/// again for the next ones. Few where it is built for tests, so that these do that too.
const LIMIT: usize = if cfg!(debug_assertions) { 100 } else { 250_000 };

/// Where a row is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Table {
    Allocations,
    Usages,
    Reservations,
}

/// A row: its table, its account by the place in the chunk, its id.
pub(super) type Spot = (Table, usize, Uuid);

/// What the entries of an account say of one row.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tally {
    /// Added up draws.
    pub(super) remaining: i128,
    pub(super) reserved: i128,
    /// What reservations that are held hold of it.
    pub(super) held: i128,
    /// How many entries say that they made it, and with how many credits.
    pub(super) made: u32,
    pub(super) credits: i128,
    pub(super) refunded: i128,
    pub(super) voids: u32,
    /// How many transfers brought it while it was pending.
    pub(super) arrivals: u32,
    /// Of a reservation, how it ended.
    pub(super) ends: u32,
    pub(super) end: Option<(EntryKind, OffsetDateTime)>,
}

/// The tallies of the first so many rows from a spot on.
pub(super) struct Tallies {
    rows: BTreeMap<Spot, Tally>,
    from: Spot,
    /// What comes here or later did not fit.
    pub(super) until: Option<Spot>,
}

impl Tallies {
    pub(super) fn from(from: Spot) -> Self {
        Self { rows: BTreeMap::new(), from, until: None }
    }

    pub(super) fn covers(&self, spot: Spot) -> bool {
        spot >= self.from && self.until.is_none_or(|until| spot < until)
    }

    /// The tally of a row, unless it is for another time.
    pub(super) fn at(&mut self, spot: Spot) -> Option<&mut Tally> {
        if !self.covers(spot) {
            return None;
        }
        if self.rows.len() >= LIMIT && !self.rows.contains_key(&spot) {
            let last = *self.rows.last_key_value()?.0;
            if spot > last {
                self.until = Some(spot);
                return None;
            }
            self.rows.pop_last();
            self.until = Some(last);
        }
        Some(self.rows.entry(spot).or_default())
    }

    /// Takes out the tally of a row that is there.
    pub(super) fn take(&mut self, spot: Spot) -> Tally {
        self.rows.remove(&spot).unwrap_or_default()
    }

    /// What entries speak of that was not taken out: it is nowhere.
    pub(super) fn left(self) -> impl Iterator<Item = Spot> {
        self.rows.into_keys()
    }
}
