//! What reading shows: things as they are now, page by page.

use time::OffsetDateTime;

use crate::ledger::{Account, AccountStatus, Allocation, EntryKind};

/// An account as it is now: what has fallen due counts as booked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountView {
    /// The account.
    pub account: Account,
    /// When it was first heard of.
    pub created_at: OffsetDateTime,
    /// When it last changed.
    pub updated_at: OffsetDateTime,
}

/// Which accounts to list. Empty: all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountFilter {
    /// Those in this state.
    pub status: Option<AccountStatus>,
    /// Those with this address, lower case.
    pub email: Option<String>,
}

/// Where a page of accounts ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountPosition {
    /// The last account's `created_at`.
    pub created_at: OffsetDateTime,
    /// Its user id.
    pub user_id: String,
}

/// An account on which something has fallen due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DuePosition {
    /// Since when.
    pub next_due_at: OffsetDateTime,
    /// Whose account.
    pub user_id: String,
}

/// An allocation as it is at an instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllocationAt {
    /// The allocation.
    pub allocation: Allocation,
    /// The instant.
    pub at: OffsetDateTime,
}

/// Which entries to list. Empty: all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EntryFilter {
    /// Those with a `seq` below this.
    pub before_seq: Option<i64>,
    /// Those of this kind.
    pub kind: Option<EntryKind>,
    /// Those from this instant on.
    pub since: Option<OffsetDateTime>,
    /// Those before this instant.
    pub until: Option<OffsetDateTime>,
}
