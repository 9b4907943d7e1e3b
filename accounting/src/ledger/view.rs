//! Allocations, usages and reservations as JSON shows them, in replies that the ledger
//! keeps and wherever they are read again.

use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::account::Account;
use super::allocation::{Allocation, Share};
use super::cost::Pricing;
use super::reservation::Reservation;
use super::usage::Usage;
use crate::rates::Units;

/// What an account holds, in credits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Balance)]
pub struct BalanceView {
    /// Can be spent.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    pub available: i64,
    /// Held by reservations.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    pub reserved: i64,
    /// Of allocations whose time has not come.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    pub pending: i64,
}

impl From<&Account> for BalanceView {
    fn from(account: &Account) -> Self {
        let Account { available, reserved, pending, .. } = *account;
        Self { available, reserved, pending }
    }
}

/// Credits that came in together.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = Allocation)]
pub struct AllocationView {
    id: Uuid,
    /// Whose it is.
    user_id: String,
    /// `pending` (its time has not come), `open`, `spent`, `expired` or `voided`.
    status: &'static str,
    /// What it was made with.
    credits: i64,
    /// What of it can be spent.
    remaining: i64,
    /// What of it reservations hold.
    reserved: i64,
    /// 0 to 100; lower burns first.
    priority: i16,
    /// From when on it can be spent, if not from the start.
    #[serde(with = "time::serde::rfc3339::option")]
    effective_at: Option<OffsetDateTime>,
    /// From when on it cannot be spent.
    #[serde(with = "time::serde::rfc3339::option")]
    expires_at: Option<OffsetDateTime>,
    /// Why it was made.
    reason: Option<String>,
    /// What its maker wanted kept with it: a JSON object.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Value>,
    /// Who made it.
    actor: String,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    recorded_at: OffsetDateTime,
}

impl AllocationView {
    /// The allocation as it is at `now`, once what is due by then was booked.
    #[must_use]
    pub fn new(user_id: &str, allocation: &Allocation, now: OffsetDateTime) -> Self {
        Self {
            id: allocation.id,
            user_id: user_id.to_owned(),
            status: allocation.status(now).word(),
            credits: allocation.credits,
            remaining: allocation.remaining,
            reserved: allocation.reserved,
            priority: allocation.priority,
            effective_at: allocation.effective_at,
            expires_at: allocation.expires_at,
            reason: allocation.reason.clone(),
            metadata: allocation.metadata.clone(),
            actor: allocation.actor.clone(),
            recorded_at: allocation.recorded_at,
        }
    }
}

/// Credits that were spent together.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = Usage)]
pub struct UsageView {
    id: Uuid,
    /// Whose they were.
    user_id: String,
    /// What was drawn.
    credits: i64,
    /// What of it came back.
    refunded: i64,
    /// What a capture asked for on top and could not draw.
    uncollected: i64,
    /// What was used, where `units` set the price.
    #[schema(value_type = Option<BTreeMap<String, u64>>)]
    units: Option<Units>,
    /// The version of the resource's rate that priced them.
    rate_version: Option<i64>,
    /// What it was for.
    resource: Option<String>,
    /// What its maker wanted kept with it: a JSON object.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Value>,
    /// The reservation that it captured.
    reservation_id: Option<Uuid>,
    /// What it drew on, in that order.
    allocations: Vec<Share>,
    /// Who asked for it.
    actor: String,
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    recorded_at: OffsetDateTime,
}

impl UsageView {
    /// The usage.
    #[must_use]
    pub fn new(user_id: &str, usage: &Usage) -> Self {
        Self {
            id: usage.id,
            user_id: user_id.to_owned(),
            credits: usage.credits,
            refunded: usage.refunded,
            uncollected: usage.uncollected,
            units: units(usage.pricing.as_ref()),
            rate_version: rate_version(usage.pricing.as_ref()),
            resource: usage.resource.clone(),
            metadata: usage.metadata.clone(),
            reservation_id: usage.reservation_id,
            allocations: usage.draws.clone(),
            actor: usage.actor.clone(),
            recorded_at: usage.recorded_at,
        }
    }
}

/// Credits held for a time.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = Reservation)]
pub struct ReservationView {
    id: Uuid,
    /// Whose they are.
    user_id: String,
    /// `held`, `captured`, `released` or `expired`.
    status: &'static str,
    /// What it holds, or held while it did.
    credits: i64,
    /// What it was held for, where `units` set the price.
    #[schema(value_type = Option<BTreeMap<String, u64>>)]
    units: Option<Units>,
    /// The version of the resource's rate that priced them.
    rate_version: Option<i64>,
    /// From when on it holds nothing.
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
    /// What it is for.
    resource: Option<String>,
    /// What its maker wanted kept with it: a JSON object.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Value>,
    /// What it holds of which allocations, in the order of drawing.
    allocations: Vec<Share>,
    /// The usage that captured it.
    usage_id: Option<Uuid>,
    /// Who asked for it.
    actor: String,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    recorded_at: OffsetDateTime,
    /// When it was captured, released or over.
    #[serde(with = "time::serde::rfc3339::option")]
    ended_at: Option<OffsetDateTime>,
}

impl ReservationView {
    /// The reservation.
    #[must_use]
    pub fn new(user_id: &str, reservation: &Reservation) -> Self {
        Self {
            id: reservation.id,
            user_id: user_id.to_owned(),
            status: reservation.status.word(),
            credits: reservation.credits,
            units: units(reservation.pricing.as_ref()),
            rate_version: rate_version(reservation.pricing.as_ref()),
            expires_at: reservation.expires_at,
            resource: reservation.resource.clone(),
            metadata: reservation.metadata.clone(),
            allocations: reservation.draws.clone(),
            usage_id: reservation.usage_id,
            actor: reservation.actor.clone(),
            recorded_at: reservation.recorded_at,
            ended_at: reservation.ended_at,
        }
    }
}

fn units(pricing: Option<&Pricing>) -> Option<Units> {
    pricing.map(|pricing| pricing.units.clone())
}

fn rate_version(pricing: Option<&Pricing>) -> Option<i64> {
    pricing.map(|pricing| pricing.rate_version)
}
