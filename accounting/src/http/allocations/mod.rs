//! `/v1/accounts/{user_id}/allocations`: credits that came in together.

pub(super) mod create;
pub(super) mod get;

use accrue_chassis::problem::FieldError;
use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::balance::Balance;

/// Credits that came in together.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Allocation)]
pub(super) struct AllocationBody {
    id: Uuid,
    /// Whose it is.
    user_id: String,
    /// What it was made with.
    credits: i64,
    /// What of it is neither spent nor expired.
    remaining: i64,
    /// Why it was made.
    reason: Option<String>,
    /// What its maker wanted kept with it: a JSON object.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Value>,
    /// From when on it cannot be spent.
    #[serde(with = "time::serde::rfc3339::option")]
    expires_at: Option<OffsetDateTime>,
    /// Who made it.
    actor: String,
    /// When it was booked.
    #[serde(with = "time::serde::rfc3339")]
    recorded_at: OffsetDateTime,
}

/// The answer to an allocation. The ledger renders it, since it is kept with the
/// request's key; this describes it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AllocationReply, example = json!({
    "allocation": {"id": "01980000-0000-7000-8000-000000000000", "user_id": "65f0c0ffee0000000000abcd",
                   "credits": 100, "remaining": 100, "reason": "first purchase", "metadata": null,
                   "expires_at": null, "actor": "client:shop", "recorded_at": "2026-01-02T03:04:05.678901Z"},
    "balance": {"available": 100, "reserved": 0},
    "account_status": "placeholder",
}))]
pub(super) struct AllocationReplyBody {
    /// What was made.
    allocation: AllocationBody,
    /// What the account holds after it.
    balance: Balance,
    /// `placeholder` where the user's registration has not arrived yet.
    account_status: &'static str,
}

/// What is wrong with an amount that is not 1 to 2^53 - 1.
pub(super) fn credits_out_of_range() -> FieldError {
    let detail = "credits must be a whole number from 1 to 9007199254740991.";
    FieldError::new("/credits", "out_of_range", detail)
}
