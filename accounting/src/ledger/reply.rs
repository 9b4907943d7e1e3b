//! The bodies of replies: what was made or changed, and the balance after it.

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::allocation::Share;
use super::receipt::Reply;
use super::state::AccountState;
use super::view::{AllocationView, BalanceView, ReservationView, UsageView};

/// What every reply says besides what it is about.
#[derive(Debug, Serialize, ToSchema)]
pub struct After {
    /// What the account holds after it.
    balance: BalanceView,
    /// `placeholder` where the user's registration has not arrived yet.
    account_status: &'static str,
}

/// The reply to an allocation.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "allocation": {"id": "01980000-0000-7000-8000-000000000000", "user_id": "65f0c0ffee0000000000abcd",
                   "status": "open", "credits": 100, "remaining": 100, "reserved": 0, "priority": 50,
                   "effective_at": null, "expires_at": null, "reason": "first purchase", "metadata": null,
                   "actor": "client:shop", "recorded_at": "2026-01-02T03:04:05.678901Z"},
    "balance": {"available": 100, "reserved": 0, "pending": 0},
    "account_status": "placeholder",
}))]
pub struct AllocationReply {
    /// The allocation after it.
    pub(super) allocation: AllocationView,
    #[serde(flatten)]
    pub(super) after: After,
}

/// The reply to a void.
#[derive(Debug, Serialize, ToSchema)]
pub struct VoidReply {
    /// What was forfeited.
    pub(super) forfeited: i64,
    /// The allocation after it.
    pub(super) allocation: AllocationView,
    #[serde(flatten)]
    pub(super) after: After,
}

/// The reply to a usage.
#[derive(Debug, Serialize, ToSchema)]
pub struct UsageReply {
    /// The usage.
    pub(super) usage: UsageView,
    #[serde(flatten)]
    pub(super) after: After,
}

/// The reply to a refund.
#[derive(Debug, Serialize, ToSchema)]
pub struct RefundReply {
    /// What came back.
    pub(super) refund: RefundView,
    /// The usage after it.
    pub(super) usage: UsageView,
    #[serde(flatten)]
    pub(super) after: After,
}

/// What came back of a usage.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Refund)]
pub struct RefundView {
    /// How much.
    pub(super) credits: i64,
    /// To which allocations, in that order.
    pub(super) allocations: Vec<Share>,
    /// What of it expired or was forfeited at once, since its allocation had ended.
    pub(super) lapsed: i64,
}

/// The reply to a reservation, its release or its extension.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReservationReply {
    /// The reservation after it.
    pub(super) reservation: ReservationView,
    #[serde(flatten)]
    pub(super) after: After,
}

/// The reply to a capture.
#[derive(Debug, Serialize, ToSchema)]
pub struct CaptureReply {
    /// The usage that it made.
    pub(super) usage: UsageView,
    /// The reservation after it.
    pub(super) reservation: ReservationView,
    #[serde(flatten)]
    pub(super) after: After,
}

/// The reply to a correction.
#[derive(Debug, Serialize, ToSchema)]
pub struct AdjustmentReply {
    /// What was changed.
    pub(super) adjustment: AdjustmentView,
    #[serde(flatten)]
    pub(super) after: After,
}

/// A correction.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Adjustment)]
pub struct AdjustmentView {
    /// Also the id of the allocation that it made, if it added credits.
    pub(super) id: Uuid,
    /// What came in, negative for what went.
    pub(super) credits: i64,
    /// Why.
    pub(super) reason: String,
    /// What it added to or drew on, in that order.
    pub(super) allocations: Vec<Share>,
    /// The entry that books it.
    pub(super) seq: i64,
}

/// The reply to a transfer. The balance is the source's.
#[derive(Debug, Serialize, ToSchema)]
pub struct TransferReply {
    /// What was moved.
    pub(super) transfer: TransferView,
    /// The account that got it.
    pub(super) target: TargetView,
    #[serde(flatten)]
    pub(super) after: After,
}

/// Credits that moved from one account to another.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Transfer)]
pub struct TransferView {
    /// Also the `reference` of the entry on either account.
    pub(super) id: Uuid,
    /// From whom.
    pub(super) from: String,
    /// To whom.
    pub(super) to: String,
    /// How many of what was available.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    pub(super) credits: i64,
    /// How many of what was pending.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    pub(super) pending: i64,
    /// Why.
    pub(super) reason: String,
    /// What moved of which allocations, in that order.
    pub(super) allocations: Vec<MovedView>,
    /// The entry that books it on the source.
    pub(super) seq: i64,
}

/// What moved of one allocation.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Moved)]
pub struct MovedView {
    /// Of which allocation of the source.
    pub(super) allocation_id: Uuid,
    /// The allocation of the target that it became, with the same priority, beginning and end.
    pub(super) arrived_as: Uuid,
    /// How much.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    pub(super) credits: i64,
    /// Whether its time had not come.
    pub(super) is_pending: bool,
}

/// The account that a transfer went to.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TransferTarget)]
pub struct TargetView {
    /// Whose it is.
    pub(super) user_id: String,
    /// The entry that books it there.
    pub(super) seq: i64,
    #[serde(flatten)]
    pub(super) after: After,
}

impl AccountState {
    pub(super) fn after(&self) -> After {
        After { balance: (&self.account).into(), account_status: self.account.status.word() }
    }

    pub(super) fn usage_view(&self, usage: &super::usage::Usage) -> UsageView {
        UsageView::new(&self.account.user_id, usage)
    }

    pub(super) fn reservation_view(&self, reservation: &super::reservation::Reservation) -> ReservationView {
        ReservationView::new(&self.account.user_id, reservation)
    }
}

/// A reply about `resource`, a path below the account.
pub(super) fn reply(resource: String, body: &impl Serialize) -> Reply {
    let body = serde_json::to_vec(body).expect("plain values and times of four-digit years always serialise");
    Reply { resource, body, is_replay: false }
}
