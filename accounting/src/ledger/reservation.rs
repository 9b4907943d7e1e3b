//! A reservation: credits held for a time, until they are captured or come back.

use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

use super::allocation::Share;
use super::cost::Pricing;
use super::words::words;

/// The longest that a reservation, or an extension of one, holds credits.
pub const MAX_HOLD_S: i64 = 30 * 24 * 60 * 60;

words! {
    /// Where a reservation stands.
    ReservationStatus {
        /// It holds its credits.
        Held = "held",
        /// It became a usage.
        Captured = "captured",
        /// Its credits were given back.
        Released = "released",
        /// Its time was over, and its credits went back by themselves.
        Expired = "expired",
    }
}

/// Credits held for a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    /// The reservation's id.
    pub id: Uuid,
    /// What it holds, or held while it did. 0 only where units came to that.
    pub credits: i64,
    /// What it was held for, where that is what set the price.
    pub pricing: Option<Pricing>,
    /// Where it stands.
    pub status: ReservationStatus,
    /// From this instant on it holds nothing.
    pub expires_at: OffsetDateTime,
    /// What it is for, as the caller names it.
    pub resource: Option<String>,
    /// Whatever the caller wanted kept with it: a JSON object.
    pub metadata: Option<Value>,
    /// What it holds of which allocations, in the order of drawing.
    pub draws: Vec<Share>,
    /// The usage that captured it.
    pub usage_id: Option<Uuid>,
    /// Who asked for it.
    pub actor: String,
    /// When it was made.
    pub recorded_at: OffsetDateTime,
    /// When it was captured, released or over.
    pub ended_at: Option<OffsetDateTime>,
}

impl Reservation {
    /// Whether it holds credits.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.status == ReservationStatus::Held
    }
}
