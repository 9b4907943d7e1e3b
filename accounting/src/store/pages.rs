//! What reading shows: accounts as they are now, page by page.

use time::OffsetDateTime;

use crate::ledger::{Account, AccountStatus};

/// An account as it is now: `account.available` counts nothing that has run out.
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
