//! What a batch holds of one kind of row, and what it did to each.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::allocation::Allocation;
use super::reservation::Reservation;
use super::usage::Usage;

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

/// What has an id within its account.
pub trait Identified {
    /// The id.
    fn id(&self) -> Uuid;
}

impl Identified for Allocation {
    fn id(&self) -> Uuid {
        self.id
    }
}

impl Identified for Usage {
    fn id(&self) -> Uuid {
        self.id
    }
}

impl Identified for Reservation {
    fn id(&self) -> Uuid {
        self.id
    }
}

/// Rows of one kind by their ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holdings<T> {
    rows: BTreeMap<Uuid, (T, Change)>,
}

impl<T> Default for Holdings<T> {
    fn default() -> Self {
        Self { rows: BTreeMap::new() }
    }
}

impl<T: Identified> Holdings<T> {
    /// Adds a row that the store holds. One that is held already stays as it is.
    pub fn hold(&mut self, row: T) {
        self.rows.entry(row.id()).or_insert((row, Change::None));
    }

    /// Adds a row that the batch makes. A row of the same id that the store has makes
    /// saving fail, as it should.
    pub(super) fn make(&mut self, row: T) {
        self.rows.insert(row.id(), (row, Change::Made));
    }

    /// The row with this id.
    #[must_use]
    pub fn get(&self, id: Uuid) -> Option<&T> {
        self.rows.get(&id).map(|(row, _)| row)
    }

    /// The row with this id, to be changed.
    pub(super) fn get_mut(&mut self, id: Uuid) -> Option<&mut T> {
        let (row, change) = self.rows.get_mut(&id)?;
        if *change == Change::None {
            *change = Change::Updated;
        }
        Some(row)
    }

    /// All rows.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.rows.values().map(|(row, _)| row)
    }

    /// The rows that a batch has made, or that it has updated.
    pub fn with(&self, change: Change) -> impl Iterator<Item = &T> {
        self.rows.values().filter(move |(_, done)| *done == change).map(|(row, _)| row)
    }
}
