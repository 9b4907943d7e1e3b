//! An entry: one booking, never changed, with what it drew from which allocation.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::chain::Seal;
use super::words::words;

words! {
    /// What an entry is for.
    EntryKind {
        /// Credits were allocated, or the time of such has come.
        Allocation = "allocation",
        /// Welcome credits.
        Welcome = "welcome",
        /// What was left of an allocation of the older system when its database was adopted.
        Adoption = "adoption",
        /// An allocation ran out of time.
        Expiry = "expiry",
        /// Credits were spent.
        Usage = "usage",
        /// Spent credits came back.
        Refund = "refund",
        /// Credits were held for later.
        Reservation = "reservation",
        /// Held credits were spent.
        Capture = "capture",
        /// Held credits came back, asked for or because the time was over.
        Release = "release",
        /// What was unspent of an allocation was forfeited.
        Void = "void",
        /// An operator corrected the balance.
        Adjustment = "adjustment",
        /// Credits went to another account.
        TransferOut = "transfer_out",
        /// Credits came from another account.
        TransferIn = "transfer_in",
    }
}

/// What an entry changed of one allocation. A balance is all of these added up. One that
/// changes nothing names a pending allocation that went or came with a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Draw {
    /// Which allocation.
    pub allocation_id: Uuid,
    /// By how much what can be spent of it went up or (negative) down.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[schema(required = false)]
    pub remaining: i64,
    /// By how much what is held of it did.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[schema(required = false)]
    pub reserved: i64,
}

impl Draw {
    /// Whether it only names its allocation.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.remaining == 0 && self.reserved == 0
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(credits: &i64) -> bool {
    *credits == 0
}

/// One booking. Entries are never changed; `seq` has no gaps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// 1, 2, 3 … within the account.
    pub seq: i64,
    /// What it is for.
    pub kind: EntryKind,
    /// Credits in (positive) or out (negative); 0 where they only moved between
    /// available and reserved.
    pub credits: i64,
    /// `available + reserved` after it.
    pub balance_after: i64,
    /// `reserved` after it.
    pub reserved_after: i64,
    /// What it changed of which allocations.
    pub draws: Vec<Draw>,
    /// The allocation, usage, reservation, adjustment or transfer that it belongs to: a
    /// refund's is the usage, a capture's the reservation.
    pub reference: Uuid,
    /// The user at the other end of a transfer.
    pub counterparty: Option<String>,
    /// Who asked.
    pub actor: String,
    /// Why, where that is said nowhere else.
    pub reason: Option<String>,
    /// Its instant, never before that of the entry before it. What falls due by itself
    /// has the instant at which it did, however much later that was noticed.
    pub recorded_at: OffsetDateTime,
    /// What proves that none of it was changed.
    pub seal: Seal,
}
