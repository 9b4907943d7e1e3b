//! A usage: credits that were spent, and on which allocations that drew.

use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

use super::allocation::Share;
use super::cost::Pricing;

/// Credits that were spent together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// The usage's id.
    pub id: Uuid,
    /// What was drawn.
    pub credits: i64,
    /// What of it came back.
    pub refunded: i64,
    /// What was asked for on top and could not be drawn.
    pub uncollected: i64,
    /// What was used, where that is what set the price: of `credits` and `uncollected`
    /// together.
    pub pricing: Option<Pricing>,
    /// What it was for, as the caller names it.
    pub resource: Option<String>,
    /// Whatever the caller wanted kept with it: a JSON object.
    pub metadata: Option<Value>,
    /// The reservation that it captured.
    pub reservation_id: Option<Uuid>,
    /// What it drew on, in that order. Refunds go back from the end of it.
    pub draws: Vec<Share>,
    /// Who asked for it.
    pub actor: String,
    /// When.
    pub recorded_at: OffsetDateTime,
}

impl Usage {
    /// What can still come back.
    #[must_use]
    pub fn refundable(&self) -> i64 {
        self.credits - self.refunded
    }
}
