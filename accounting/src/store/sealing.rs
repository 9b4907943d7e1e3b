//! Sealing what was booked before there was a hash chain, page by page.

use super::made::{MadeRows, OwnEntry};
use super::salt_seed;
use crate::ledger::chain::{self, Digest};

/// Rows that are sealed in one transaction: a few megabytes, and a moment's lock. Few where
/// it is built for tests, so that these come between two.
pub(super) const PAGE: i64 = if cfg!(debug_assertions) { 50 } else { 1_000 };

/// Seals entries that follow one another, of one account or several. `previous` is the hash
/// of the entry before the first of them, if there is one.
pub(super) fn seal(entries: &mut [OwnEntry], previous: Option<Digest>, made: &MadeRows) {
    let seed = salt_seed();
    let mut before = previous;
    let mut current = entries.first().map(|(user_id, _)| user_id.clone());
    for (user_id, entry) in entries {
        if current.as_deref() != Some(user_id) {
            current = Some(user_id.clone());
            before = None;
        }
        chain::seal(user_id, before.as_ref(), entry, &made.of(user_id, entry), &seed);
        before = Some(entry.seal.hash);
    }
}

/// The last entry of each account among `entries`.
pub(super) fn heads(entries: &[OwnEntry]) -> Vec<&OwnEntry> {
    let is_last = |index: usize| entries.get(index + 1).is_none_or(|next| next.0 != entries[index].0);
    entries.iter().enumerate().filter(|(index, _)| is_last(*index)).map(|(_, entry)| entry).collect()
}
