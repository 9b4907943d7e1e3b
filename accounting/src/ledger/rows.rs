//! Rows as plain as they can be, for tests to vary.

use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::*;

/// Of ten credits.
pub(super) fn allocation(id: u128) -> Allocation {
    Allocation {
        id: Uuid::from_u128(id),
        credits: 10,
        remaining: 10,
        reserved: 0,
        priority: DEFAULT_PRIORITY,
        effective_at: None,
        is_pending: false,
        expires_at: None,
        is_voided: false,
        reason: None,
        metadata: None,
        actor: "test".to_owned(),
        recorded_at: OffsetDateTime::UNIX_EPOCH,
    }
}

/// Of ten credits.
pub(super) fn usage(id: u128) -> Usage {
    Usage {
        id: Uuid::from_u128(id),
        credits: 10,
        refunded: 0,
        uncollected: 0,
        pricing: None,
        resource: None,
        metadata: None,
        reservation_id: None,
        draws: Vec::new(),
        actor: "test".to_owned(),
        recorded_at: OffsetDateTime::UNIX_EPOCH,
    }
}

/// That holds five credits for an hour.
pub(super) fn reservation(id: u128) -> Reservation {
    Reservation {
        id: Uuid::from_u128(id),
        credits: 5,
        pricing: None,
        status: ReservationStatus::Held,
        expires_at: OffsetDateTime::UNIX_EPOCH + Duration::HOUR,
        resource: None,
        metadata: None,
        draws: Vec::new(),
        usage_id: None,
        actor: "test".to_owned(),
        recorded_at: OffsetDateTime::UNIX_EPOCH,
        ended_at: None,
    }
}
