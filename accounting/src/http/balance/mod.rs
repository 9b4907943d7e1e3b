//! `/v1/accounts/{user_id}/balance`: what an account holds, or held, and why.

pub(super) mod get;

use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::ledger::{BalanceView, ExplainedAllocation, Parts};

/// What an account held at an instant, with what explains it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ExplainedBalance)]
pub(super) struct BalanceBody {
    /// Whose account.
    user_id: String,
    /// The instant. What was due by then counts as booked.
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    /// What it held.
    balance: BalanceView,
    /// What had become of all credits that ever came: the parts of all allocations added up,
    /// whichever page this is.
    totals: Parts,
    /// The allocations that were made by then, one page of them.
    data: Vec<AllocationBody>,
    /// To be sent back as `cursor` for the page after, of the same instant; none on the last one.
    next_cursor: Option<String>,
}

/// An allocation at an instant, and what had become of its credits by then.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ExplainedAllocation)]
struct AllocationBody {
    id: Uuid,
    /// `pending` (its time had not come), `open`, `spent`, `expired` or `voided`.
    status: &'static str,
    /// 0 to 100; lower burns first.
    priority: i16,
    /// From when on it can be spent, if not from the start.
    #[serde(with = "time::serde::rfc3339::option")]
    effective_at: Option<OffsetDateTime>,
    /// From when on it cannot be spent.
    #[serde(with = "time::serde::rfc3339::option")]
    expires_at: Option<OffsetDateTime>,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    recorded_at: OffsetDateTime,
    #[serde(flatten)]
    parts: Parts,
}

impl From<ExplainedAllocation> for AllocationBody {
    fn from(explained: ExplainedAllocation) -> Self {
        let ExplainedAllocation { allocation, status, parts } = explained;
        Self {
            id: allocation.id,
            status: status.word(),
            priority: allocation.priority,
            effective_at: allocation.effective_at,
            expires_at: allocation.expires_at,
            recorded_at: allocation.recorded_at,
            parts,
        }
    }
}
