//! The reference for several accounts, and for transfers between them.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::reference::{Lot, Model};
use super::rig::Books;
use super::*;

/// Several accounts.
pub(super) struct Models(BTreeMap<String, Model>);

impl Models {
    pub(super) fn of(user_ids: &[&str]) -> Self {
        Self(user_ids.iter().map(|user_id| ((*user_id).to_owned(), Model::default())).collect())
    }

    pub(super) fn pass_time(&mut self, until: i64) {
        self.0.values_mut().for_each(|model| model.pass_time(until));
    }

    pub(super) fn decide(&mut self, command: &Command) -> Result<(), Rejection> {
        match &command.action {
            Action::Transfer(order) => self.transfer(&command.user_id, order),
            action => self.of_user(&command.user_id).decide(action),
        }
    }

    fn of_user(&mut self, user_id: &str) -> &mut Model {
        self.0.get_mut(user_id).expect("there is one")
    }

    fn transfer(&mut self, from: &str, order: &Transfer) -> Result<(), Rejection> {
        if order.to == from {
            return Err(Rejection::SameAccount);
        }
        let source = self.of_user(from);
        let made_at = source.second;
        let reserved = source.lots.values().map(|lot| lot.held).sum();
        let is_pending = |(_, lot): &(&Uuid, &mut Lot)| order.credits.is_none() && !lot.has_begun;
        let pending: Vec<&mut Lot> = source.lots.iter_mut().filter(is_pending).map(|(_, lot)| lot).collect();
        let mut arriving = Vec::new();
        for lot in pending {
            lot.has_begun = true;
            let Lot { priority, begin, end, credits, .. } = *lot;
            arriving.push(Lot { made_at, priority, begin, end, credits, ..Lot::default() });
        }
        let credits = source.take(order.credits.unwrap_or(source.available()))?;
        // A lot for each that was drawn on, in the order of drawing; the pending ones last.
        for (place, group) in credits.chunk_by(|one, other| one == other).enumerate() {
            let Lot { priority, begin, end, .. } = *source.lot(group[0]);
            let credits = i64::try_from(group.len()).unwrap();
            let has_begun = true;
            let left = credits;
            let lot = Lot { made_at, priority, begin, end, has_begun, credits, left, ..Lot::default() };
            arriving.insert(place, lot);
        }
        if arriving.is_empty() {
            return Err(Rejection::NothingToTransfer { reserved });
        }
        let ids = (1..).map(|place| Uuid::from_u128(order.transfer_id.as_u128() + place));
        self.of_user(&order.to).lots.extend(ids.zip(arriving));
        Ok(())
    }

    /// That the ledger holds the same.
    pub(super) fn compare(&self, books: &Books) {
        for (user_id, model) in &self.0 {
            model.compare(&books.accounts[user_id]);
        }
    }
}
