//! `/v1/account-versions`: what of each user is known here, to be compared with auth.

pub(super) mod get;
pub(super) mod list;

use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::store::AccountView;

/// What of a user is known here, and what the account holds.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AccountVersion, example = json!({
    "user_id": "65f0c0ffee0000000000abcd", "user_version": 1_767_323_045_678_i64, "status": "active",
    "available": 100, "reserved": 0, "pending": 0, "created_at": "2026-01-02T03:04:05.678901Z",
}))]
pub(super) struct AccountVersionBody {
    /// Whose account.
    #[schema(min_length = 1, max_length = 50)]
    user_id: String,
    /// The version of the newest event of the user that was taken over; none before the first.
    user_version: Option<i64>,
    /// `placeholder`, `active`, `suspended`, `closed` or `orphaned`.
    status: &'static str,
    /// Credits that can be spent.
    available: i64,
    /// Credits that reservations hold.
    reserved: i64,
    /// Credits whose time has not come.
    pending: i64,
    /// When the account was first heard of.
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
}

impl From<AccountView> for AccountVersionBody {
    fn from(AccountView { account, created_at, .. }: AccountView) -> Self {
        Self {
            user_id: account.user_id,
            user_version: account.user_version,
            status: account.status.word(),
            available: account.available,
            reserved: account.reserved,
            pending: account.pending,
            created_at,
        }
    }
}
