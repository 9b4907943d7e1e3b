//! `/v1/accounts`: who has how much, and where the account stands.

pub(super) mod get;
pub(super) mod list;

use serde::Serialize;
use time::OffsetDateTime;

use crate::store::AccountView;

/// An account as callers see it.
#[derive(Debug, Serialize)]
pub(super) struct AccountBody {
    user_id: String,
    status: &'static str,
    email: Option<String>,
    username: Option<String>,
    display_name: Option<String>,
    balance: Balance,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    updated_at: OffsetDateTime,
}

#[derive(Debug, Serialize)]
struct Balance {
    available: i64,
    reserved: i64,
}

impl From<AccountView> for AccountBody {
    fn from(view: AccountView) -> Self {
        let account = view.account;
        Self {
            user_id: account.user_id,
            status: account.status.word(),
            email: account.email,
            username: account.username,
            display_name: account.display_name,
            balance: Balance { available: account.available, reserved: account.reserved },
            created_at: view.created_at,
            updated_at: view.updated_at,
        }
    }
}

/// 404 for an account that nothing was ever booked on and no event told of.
pub(super) fn unknown_account() -> accrue_chassis::problem::Problem {
    let detail = "There is no account of this user id. One is made by the first allocation, or by the \
                  event of the user's registration.";
    accrue_chassis::problem::Problem::not_found("account_not_found", detail)
}
