//! `/v1/accounts/{user_id}/entries`: every booking, newest first.

pub(super) mod get;
pub(super) mod list;

use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::ledger::chain::hex;
use crate::ledger::{Draw, Entry};

/// One booking.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Entry, example = json!({
    "seq": 2, "kind": "usage", "credits": -12, "balance_after": 88, "reserved_after": 0,
    "draws": [{"allocation_id": "01980000-0000-7000-8000-000000000000", "remaining": -12}],
    "reference": "01980000-0000-7000-8000-000000000001", "counterparty": null, "actor": "client:shop",
    "reason": null, "recorded_at": "2026-01-02T03:04:05.678901Z",
    "hash": "5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef",
}))]
pub(super) struct EntryBody {
    /// 1, 2, 3 … without gaps within the account.
    seq: i64,
    /// `allocation`, `welcome`, `adoption`, `expiry`, `usage`, `refund`, `reservation`, `capture`,
    /// `release`, `void`, `adjustment`, `transfer_out` or `transfer_in`.
    kind: &'static str,
    /// Credits that came in, negative where they went; 0 where they were only held or given back.
    credits: i64,
    /// Everything that the account held after it, reserved credits included.
    balance_after: i64,
    /// What of that was reserved.
    reserved_after: i64,
    /// What it changed of which allocations. One that changes nothing names a pending allocation
    /// that went or came with a transfer.
    draws: Vec<Draw>,
    /// The allocation, usage, reservation, adjustment or transfer that it belongs to.
    reference: Uuid,
    /// The user at the other end of a transfer.
    counterparty: Option<String>,
    /// Who asked for it.
    actor: String,
    /// Why, of refunds, voids, adjustments and transfers.
    reason: Option<String>,
    /// When. What falls due by itself has the instant at which it did.
    #[serde(with = "time::serde::rfc3339")]
    recorded_at: OffsetDateTime,
    /// SHA-256 over all of it and the hash of the entry before, in hexadecimal digits: whoever
    /// keeps it can tell later whether anything up to here was changed.
    #[schema(min_length = 64, max_length = 64)]
    hash: String,
}

impl From<Entry> for EntryBody {
    fn from(entry: Entry) -> Self {
        Self {
            seq: entry.seq,
            kind: entry.kind.word(),
            credits: entry.credits,
            balance_after: entry.balance_after,
            reserved_after: entry.reserved_after,
            draws: entry.draws,
            reference: entry.reference,
            counterparty: entry.counterparty,
            actor: entry.actor,
            reason: entry.reason,
            recorded_at: entry.recorded_at,
            hash: hex(&entry.seal.hash),
        }
    }
}
