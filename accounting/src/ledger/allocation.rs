//! An allocation: credits that came in together, and what is left of them.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::words::words;

/// The priority of an allocation that names none: the middle, so that some can be
/// made to burn before and some after it.
pub const DEFAULT_PRIORITY: i16 = 50;
/// Priorities are 0 (burns first) to this.
pub const MAX_PRIORITY: i16 = 100;

words! {
    /// Where an allocation stands.
    AllocationStatus {
        /// Its time has not come.
        Pending = "pending",
        /// Something of it can be spent, or is held.
        Open = "open",
        /// Nothing is left of it.
        Spent = "spent",
        /// Its end has passed. Reservations may still hold some of it.
        Expired = "expired",
        /// What was unspent was forfeited.
        Voided = "voided",
    }
}

/// Credits that came in together. `remaining` and `reserved` are what the draws of
/// all entries on it add up to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allocation {
    /// The allocation's id.
    pub id: Uuid,
    /// What it was made with.
    pub credits: i64,
    /// What of it can be spent. Nothing while it is pending.
    pub remaining: i64,
    /// What of it reservations hold.
    pub reserved: i64,
    /// 0 to [`MAX_PRIORITY`]; lower burns first.
    pub priority: i16,
    /// From when on it can be spent, if not from the start.
    pub effective_at: Option<OffsetDateTime>,
    /// Whether it still waits for `effective_at`: no entry books it yet.
    pub is_pending: bool,
    /// From this instant on nothing of it can be spent.
    pub expires_at: Option<OffsetDateTime>,
    /// Whether what was unspent was forfeited.
    pub is_voided: bool,
    /// Why.
    pub reason: Option<String>,
    /// Whatever the caller wanted kept with it: a JSON object.
    pub metadata: Option<Value>,
    /// Who asked for it.
    pub actor: String,
    /// When it was made.
    pub recorded_at: OffsetDateTime,
}

impl Allocation {
    /// Whether its end has come by `at`.
    #[must_use]
    pub fn has_ended(&self, at: OffsetDateTime) -> bool {
        self.expires_at.is_some_and(|end| end <= at)
    }

    /// Where it stands at `at`, once what is due by then was booked.
    #[must_use]
    pub fn status(&self, at: OffsetDateTime) -> AllocationStatus {
        if self.is_voided {
            AllocationStatus::Voided
        } else if self.is_pending {
            AllocationStatus::Pending
        } else if self.has_ended(at) {
            AllocationStatus::Expired
        } else if self.remaining + self.reserved == 0 {
            AllocationStatus::Spent
        } else {
            AllocationStatus::Open
        }
    }

    /// The order in which credits are spent: priority, then the soonest end (none
    /// last), then the oldest.
    #[must_use]
    pub fn burn_order(&self) -> impl Ord + use<> {
        (self.priority, self.expires_at.is_none(), self.expires_at, self.recorded_at, self.id)
    }
}

/// Part of an allocation, such as what a usage drew from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Share {
    /// Of which allocation.
    pub allocation_id: Uuid,
    /// How much.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    pub credits: i64,
}

/// The first `credits` of `shares`, and the rest, each in order.
pub(super) fn split(shares: &[Share], credits: i64) -> (Vec<Share>, Vec<Share>) {
    let mut left = credits;
    let (mut first, mut rest) = (Vec::new(), Vec::new());
    for share in shares {
        let taken = share.credits.min(left);
        left -= taken;
        if taken > 0 {
            first.push(Share { credits: taken, ..*share });
        }
        if taken < share.credits {
            rest.push(Share { credits: share.credits - taken, ..*share });
        }
    }
    (first, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_keeps_an_allocation_open() {
        let at = OffsetDateTime::UNIX_EPOCH;
        let allocation = |remaining, reserved| Allocation {
            id: Uuid::nil(),
            credits: 10,
            remaining,
            reserved,
            priority: DEFAULT_PRIORITY,
            effective_at: None,
            is_pending: false,
            expires_at: None,
            is_voided: false,
            reason: None,
            metadata: None,
            actor: "operator".to_owned(),
            recorded_at: at,
        };
        for (remaining, reserved, status) in [
            (5, 5, AllocationStatus::Open),
            (5, 0, AllocationStatus::Open),
            (0, 5, AllocationStatus::Open),
            (0, 0, AllocationStatus::Spent),
        ] {
            assert_eq!(allocation(remaining, reserved).status(at), status, "{remaining} {reserved}");
        }
    }

    #[test]
    fn a_split_leaves_no_share_of_nothing() {
        let share = |id, credits| Share { allocation_id: Uuid::from_u128(id), credits };
        let shares = [share(1, 5), share(2, 5)];
        assert_eq!(split(&shares, 5), (vec![share(1, 5)], vec![share(2, 5)]));
        assert_eq!(split(&shares, 7), (vec![share(1, 5), share(2, 2)], vec![share(2, 3)]));
        assert_eq!(split(&shares, 0), (vec![], shares.to_vec()));
        assert_eq!(split(&shares, 10), (shares.to_vec(), vec![]));
    }
}
