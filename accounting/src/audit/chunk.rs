//! Some accounts gone through in one snapshot, in as many passes as memory asks for.

use std::collections::HashMap;

use uuid::Uuid;

use super::finding::{Finding, Place};
use super::sums::{FINDINGS, Sums};
use super::tally::{Spot, Table, Tallies};
use super::{Progress, rows};
use crate::ledger::chain::Makes;
use crate::ledger::{Account, Entry, EntryKind};
use crate::store::{MadeRows, Snapshot, StoreError, Stored};

/// Rows that are read at once.
const PAGE: i64 = 500;

/// Accounts that follow one another, and the user ids from the first to the last.
pub(super) struct Chunk {
    pub(super) accounts: Vec<Sums>,
    places: HashMap<String, usize>,
    from: String,
    until: String,
    /// What belongs to no account.
    strays: Vec<Finding>,
    /// How many there are besides those.
    untold: u64,
}

/// The position right after a row.
fn after_id(user_id: &str, id: Uuid) -> (String, Uuid) {
    match id.as_u128().checked_add(1) {
        Some(next) => (user_id.to_owned(), Uuid::from_u128(next)),
        None => (format!("{user_id}\u{1}"), Uuid::nil()),
    }
}

/// Goes through all rows of a table from a position on, page by page.
macro_rules! each_page {
    ($self:ident, $snapshot:ident . $verb:ident, $from:expr, $page:ident => $body:block) => {{
        let mut from: (String, Uuid) = $from;
        loop {
            let $page = $snapshot.$verb((&from.0, from.1), &$self.until, PAGE).await?;
            let Some(next) = $page.last().map(|row| after_id(&row.user_id, row.key)) else { break };
            from = next;
            $body
        }
    }};
}

impl Chunk {
    pub(super) fn new(accounts: Vec<Stored<(), Account>>, from: String, until: String) -> Self {
        let mut sums = Vec::with_capacity(accounts.len());
        for Stored { user_id, row, .. } in accounts {
            let (account, why) = match row {
                Ok(account) => (Some(account), None),
                Err(error) => (None, Some(error)),
            };
            let mut one = Sums::new(user_id, account);
            if let Some(why) = why {
                one.find(Place::Account, format!("cannot be read: {why}"));
            }
            sums.push(one);
        }
        let places = sums.iter().enumerate().map(|(place, one)| (one.user_id.clone(), place)).collect();
        Self { accounts: sums, places, from, until, strays: Vec::new(), untold: 0 }
    }

    /// Goes through everything. What disagrees is then in the accounts' findings; what
    /// belongs to no account is returned.
    pub(super) async fn examine(
        &mut self,
        snapshot: &mut dyn Snapshot,
        progress: &mut Progress<'_>,
    ) -> Result<Vec<Finding>, StoreError> {
        let mut start: Spot = (Table::Allocations, 0, Uuid::nil());
        let mut is_first = true;
        loop {
            let mut tallies = Tallies::from(start);
            self.entries(snapshot, &mut tallies, is_first, progress).await?;
            self.holds(snapshot, &mut tallies).await?;
            self.allocations(snapshot, &mut tallies, is_first).await?;
            self.usages(snapshot, &mut tallies, is_first).await?;
            self.reservations(snapshot, &mut tallies, is_first).await?;
            let until = tallies.until;
            for (table, place, id) in tallies.left() {
                let what = match table {
                    Table::Allocations => Place::Allocation(id),
                    Table::Usages => Place::Usage(id),
                    Table::Reservations => Place::Reservation(id),
                };
                self.accounts[place].find(what, "is missing, though entries speak of it".to_owned());
            }
            match until {
                Some(until) => start = until,
                None => break,
            }
            is_first = false;
        }
        self.accounts.iter_mut().for_each(Sums::close);
        if let Some(last) = self.strays.last().filter(|_| self.untold > 0) {
            let what = format!("and {} more times there is no such account, of others too", self.untold);
            self.strays.push(Finding { what, ..last.clone() });
        }
        Ok(std::mem::take(&mut self.strays))
    }

    /// The account's place. What has none is noted, once a user and table in a row.
    fn place(&mut self, user_id: &str, what: Place, is_first: bool) -> Option<usize> {
        let place = self.places.get(user_id).copied();
        if place.is_none() && is_first {
            let is_known = self.strays.last().is_some_and(|last| {
                last.user_id == user_id
                    && std::mem::discriminant(&last.place) == std::mem::discriminant(&what)
            });
            if !is_known && self.strays.len() == FINDINGS {
                self.untold += 1;
            } else if !is_known {
                let (user_id, what_is_wrong) = (user_id.to_owned(), "there is no such account".to_owned());
                self.strays.push(Finding { user_id, place: what, what: what_is_wrong });
            }
        }
        place
    }

    async fn entries(
        &mut self,
        snapshot: &mut dyn Snapshot,
        tallies: &mut Tallies,
        is_first: bool,
        progress: &mut Progress<'_>,
    ) -> Result<(), StoreError> {
        let mut from = (self.from.clone(), i64::MIN);
        loop {
            let page = snapshot.entries((&from.0, from.1), &self.until, PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            from = (last.user_id.clone(), last.key.saturating_add(1));
            let mut readable = Vec::with_capacity(page.len());
            // In their order, so that an unreadable one is met where it stands.
            let mut order = Vec::with_capacity(page.len());
            for Stored { user_id, key, row, .. } in page {
                match row {
                    Ok(entry) => {
                        order.push((user_id.clone(), key, Ok(readable.len())));
                        readable.push((user_id, entry));
                    }
                    Err(why) => order.push((user_id, key, Err(why))),
                }
            }
            let made = snapshot.made(&readable).await?;
            if is_first {
                progress.entries(order.len());
            }
            for (user_id, seq, found) in order {
                let Some(place) = self.place(&user_id, Place::Entry(seq), is_first) else { continue };
                match found {
                    Ok(index) => {
                        let entry = &readable[index].1;
                        if is_first {
                            self.accounts[place].entry(entry, &made.of(&user_id, entry));
                        }
                        count(tallies, place, (&user_id, entry), &made);
                    }
                    Err(why) if is_first => self.accounts[place].unreadable(seq, &why.to_string()),
                    Err(_) => {}
                }
            }
        }
    }

    /// What reservations hold of which allocations.
    async fn holds(&mut self, snapshot: &mut dyn Snapshot, tallies: &mut Tallies) -> Result<(), StoreError> {
        each_page!(self, snapshot.reservations, (self.from.clone(), Uuid::nil()), page => {
            for row in page {
                let Some(place) = self.places.get(&row.user_id).copied() else { continue };
                let Ok(one) = row.row else { continue };
                for share in one.draws.iter().filter(|_| one.is_held()) {
                    let tally = tallies.at((Table::Allocations, place, share.allocation_id));
                    if let Some(tally) = tally {
                        tally.held += i128::from(share.credits);
                    }
                }
            }
        });
        Ok(())
    }

    async fn allocations(
        &mut self,
        snapshot: &mut dyn Snapshot,
        tallies: &mut Tallies,
        is_first: bool,
    ) -> Result<(), StoreError> {
        each_page!(self, snapshot.allocations, (self.from.clone(), Uuid::nil()), page => {
            for row in page {
                let what = Place::Allocation(row.key);
                let Some(place) = self.place(&row.user_id, what, is_first) else { continue };
                let spot = (Table::Allocations, place, row.key);
                if tallies.covers(spot) {
                    let tally = tallies.take(spot);
                    match row.row {
                        Ok(one) => rows::allocation(&mut self.accounts[place], &one, row.digest.as_deref(), &tally),
                        Err(why) => self.accounts[place].find(what, format!("cannot be read: {why}")),
                    }
                }
            }
        });
        Ok(())
    }

    async fn usages(
        &mut self,
        snapshot: &mut dyn Snapshot,
        tallies: &mut Tallies,
        is_first: bool,
    ) -> Result<(), StoreError> {
        each_page!(self, snapshot.usages, (self.from.clone(), Uuid::nil()), page => {
            for row in page {
                let what = Place::Usage(row.key);
                let Some(place) = self.place(&row.user_id, what, is_first) else { continue };
                let spot = (Table::Usages, place, row.key);
                if tallies.covers(spot) {
                    let tally = tallies.take(spot);
                    match row.row {
                        Ok(one) => rows::usage(&mut self.accounts[place], &one, &tally),
                        Err(why) => self.accounts[place].find(what, format!("cannot be read: {why}")),
                    }
                }
            }
        });
        Ok(())
    }

    async fn reservations(
        &mut self,
        snapshot: &mut dyn Snapshot,
        tallies: &mut Tallies,
        is_first: bool,
    ) -> Result<(), StoreError> {
        each_page!(self, snapshot.reservations, (self.from.clone(), Uuid::nil()), page => {
            for row in page {
                let what = Place::Reservation(row.key);
                let Some(place) = self.place(&row.user_id, what, is_first) else { continue };
                let spot = (Table::Reservations, place, row.key);
                if tallies.covers(spot) {
                    let tally = tallies.take(spot);
                    let sums = &mut self.accounts[place];
                    match row.row {
                        Ok(one) => rows::reservation(sums, &one, row.digest.as_deref(), &tally),
                        Err(why) => sums.find(what, format!("cannot be read: {why}")),
                    }
                }
            }
        });
        Ok(())
    }
}

/// Adds what an entry says to the tallies.
fn count(tallies: &mut Tallies, place: usize, (user_id, entry): (&str, &Entry), made: &MadeRows) {
    for draw in &entry.draws {
        if let Some(tally) = tallies.at((Table::Allocations, place, draw.allocation_id)) {
            tally.remaining += i128::from(draw.remaining);
            tally.reserved += i128::from(draw.reserved);
        }
    }
    let table = match entry.makes() {
        Makes::Allocations | Makes::PendingAllocations | Makes::Allocation | Makes::Nothing => {
            Table::Allocations
        }
        Makes::Usage | Makes::CapturingUsage => Table::Usages,
        Makes::Reservation => Table::Reservations,
    };
    for one in made.of(user_id, entry) {
        // A pending one that a transfer brings is booked when its time comes.
        if entry.kind == EntryKind::TransferIn && entry.pending_moved().any(|id| id == one.id()) {
            continue;
        }
        if let Some(tally) = tallies.at((table, place, one.id())) {
            tally.made += 1;
            tally.credits -= i128::from(entry.credits);
        }
    }
    match entry.kind {
        EntryKind::Void => {
            if let Some(tally) = tallies.at((Table::Allocations, place, entry.reference)) {
                tally.voids += 1;
            }
        }
        EntryKind::TransferIn => {
            for id in entry.pending_moved() {
                if let Some(tally) = tallies.at((Table::Allocations, place, id)) {
                    tally.arrivals += 1;
                }
            }
        }
        EntryKind::Refund => {
            if let Some(tally) = tallies.at((Table::Usages, place, entry.reference)) {
                tally.refunded += i128::from(entry.credits);
            }
        }
        EntryKind::Capture | EntryKind::Release => {
            if let Some(tally) = tallies.at((Table::Reservations, place, entry.reference)) {
                tally.ends += 1;
                tally.end = Some((entry.kind, entry.recorded_at));
            }
        }
        _ => {}
    }
}
