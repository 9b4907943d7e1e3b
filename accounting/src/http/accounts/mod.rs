//! `/v1/accounts`: who has how much, and where the account stands.

pub(super) mod get;
pub(super) mod list;
pub(super) mod orphan;

use accrue_chassis::problem::Problem;
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::error::ApiError;
use super::{Accounting, user_id};
use crate::ledger::BalanceView;
use crate::store::AccountView;

/// An account.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Account, example = json!({
    "user_id": "65f0c0ffee0000000000abcd", "status": "active", "email": "ada@example.com",
    "username": null, "display_name": "Ada", "balance": {"available": 100, "reserved": 0, "pending": 0},
    "created_at": "2026-01-02T03:04:05.678901Z", "updated_at": "2026-01-02T03:04:05.700123Z",
}))]
pub(super) struct AccountBody {
    /// Whose it is.
    #[schema(min_length = 1, max_length = 50)]
    user_id: String,
    /// `placeholder`, `active`, `suspended`, `closed` or `orphaned`.
    status: &'static str,
    /// None on placeholders and closed accounts.
    email: Option<String>,
    /// The user's name for signing in.
    username: Option<String>,
    /// What to call the user.
    display_name: Option<String>,
    /// What it holds.
    balance: BalanceView,
    /// When it was first heard of.
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    /// When it last changed.
    #[serde(with = "time::serde::rfc3339")]
    updated_at: OffsetDateTime,
}

impl From<AccountView> for AccountBody {
    fn from(view: AccountView) -> Self {
        let account = view.account;
        let balance = BalanceView::from(&account);
        Self {
            user_id: account.user_id,
            status: account.status.word(),
            email: account.email,
            username: account.username,
            display_name: account.display_name,
            balance,
            created_at: view.created_at,
            updated_at: view.updated_at,
        }
    }
}

/// The account of `id`. The guard has seen to it that users ask for their own.
pub(super) async fn readable(accounting: &Accounting, id: &str) -> Result<AccountView, ApiError> {
    user_id::check(id)?;
    Ok(accounting.store.account(id).await?.ok_or_else(unknown_account)?)
}

/// 404 for an account that nothing was ever booked on and no event told of.
pub(super) fn unknown_account() -> Problem {
    let detail = "There is no account of this user id. One is made by the first allocation, or by the \
                  event of the user's registration.";
    Problem::not_found("account_not_found", detail)
}
