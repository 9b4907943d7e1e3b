//! The hash chain of an account's entries: what each hash covers, byte for byte.
//!
//! `docs/ledger.md` tells the same to those who verify it elsewhere. Nothing here is
//! secret: a hash finds what was changed by somebody who did not make the whole chain
//! anew, and heads that are kept elsewhere find the one who did.

mod encoder;
mod terms;
#[cfg(test)]
mod terms_tests;
mod texts;

use self::encoder::Encoder;
pub use self::terms::{Made, made_digest, row_digest};
pub use self::texts::{matches_texts, text_digest};

use uuid::Uuid;

use super::entry::{Entry, EntryKind};

/// A SHA-256.
pub type Digest = [u8; 32];
/// What makes the digest of a text impossible to guess.
pub type Salt = [u8; 16];
/// What a batch derives its salts from: drawn afresh for each, and kept nowhere, so that
/// a salt that was erased cannot be derived again.
pub type SaltSeed = [u8; 32];

const FIRST: &[u8] = b"accrue/chain/1";
const ENTRY: &[u8] = b"accrue/entry/1";

/// What an entry carries besides its booking.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seal {
    /// Over what can never change of the allocations, or of the usage or reservation,
    /// that the entry was the first to name. None if it made nothing.
    pub made_digest: Option<Digest>,
    /// The salt of `text_digest`. None if there is no text, or it was erased.
    pub text_salt: Option<Salt>,
    /// Over the free text of the entry and of what it made. None if there is none.
    /// It stays when the text and its salt are erased.
    pub text_digest: Option<Digest>,
    /// Over all of the entry, and the hash of the one before.
    pub hash: Digest,
}

/// What stands before the first entry of an account.
#[must_use]
pub fn first(user_id: &str) -> Digest {
    let mut encoder = Encoder::new(FIRST);
    encoder.text(user_id);
    encoder.finish()
}

/// The hash of `entry`, after the one whose hash is `previous`.
#[must_use]
pub fn hash(user_id: &str, previous: &Digest, entry: &Entry) -> Digest {
    let mut encoder = Encoder::new(ENTRY);
    encoder.bytes(previous);
    encoder.text(user_id);
    encoder.number(entry.seq);
    encoder.text(entry.kind.word());
    encoder.number(entry.credits);
    encoder.number(entry.balance_after);
    encoder.number(entry.reserved_after);
    encoder.count(entry.draws.len());
    for draw in &entry.draws {
        encoder.id(draw.allocation_id);
        encoder.number(draw.remaining);
        encoder.number(draw.reserved);
    }
    encoder.id(entry.reference);
    encoder.optional_text(entry.counterparty.as_deref());
    encoder.text(&entry.actor);
    encoder.time(entry.recorded_at);
    encoder.optional_digest(entry.seal.made_digest.as_ref());
    encoder.optional_digest(entry.seal.text_digest.as_ref());
    encoder.finish()
}

/// Seals `entry`, which made `made`, behind `previous`: none before the first.
pub fn seal(user_id: &str, previous: Option<&Digest>, entry: &mut Entry, made: &[Made<'_>], seed: &SaltSeed) {
    let salt = texts::salt(seed, user_id, entry.seq);
    entry.seal.made_digest = made_digest(made);
    entry.seal.text_digest = text_digest(&salt, entry.reason.as_deref(), made);
    entry.seal.text_salt = entry.seal.text_digest.map(|_| salt);
    let before = previous.copied().unwrap_or_else(|| first(user_id));
    entry.seal.hash = hash(user_id, &before, entry);
}

/// A digest or a salt in hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

/// What an entry is the first to name, and where that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Makes {
    /// The allocations that it draws on, in their order.
    Allocations,
    /// The allocations that it names by a draw of nothing: a transfer took them before
    /// their time came.
    PendingAllocations,
    /// The allocation that it refers to, which it draws nothing from.
    Allocation,
    /// The usage that it refers to.
    Usage,
    /// The usage that captured the reservation that it refers to.
    CapturingUsage,
    /// The reservation that it refers to.
    Reservation,
    /// Nothing.
    Nothing,
}

impl Entry {
    /// The allocations that a draw of nothing names: pending ones that a transfer moved.
    pub fn pending_moved(&self) -> impl Iterator<Item = Uuid> {
        self.draws.iter().filter(|draw| draw.is_nothing()).map(|draw| draw.allocation_id)
    }

    /// What it is the first to name.
    #[must_use]
    pub fn makes(&self) -> Makes {
        match self.kind {
            EntryKind::Allocation | EntryKind::Welcome | EntryKind::Adoption | EntryKind::TransferIn => {
                Makes::Allocations
            }
            EntryKind::Adjustment if self.credits > 0 => Makes::Allocations,
            // Voided before its time came, so no entry has named it.
            EntryKind::Void if self.draws.is_empty() => Makes::Allocation,
            EntryKind::TransferOut => Makes::PendingAllocations,
            EntryKind::Usage => Makes::Usage,
            EntryKind::Capture => Makes::CapturingUsage,
            EntryKind::Reservation => Makes::Reservation,
            EntryKind::Expiry
            | EntryKind::Refund
            | EntryKind::Release
            | EntryKind::Void
            | EntryKind::Adjustment => Makes::Nothing,
        }
    }
}

#[cfg(test)]
mod tests;
