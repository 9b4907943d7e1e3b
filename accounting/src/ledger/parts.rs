//! What became of an allocation's credits: parts that add up to what it was made with.
//!
//! The parts follow from the entries alone. So they are the same for now and for any
//! instant that has passed, whoever asks and whenever.

use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::allocation::{Allocation, AllocationStatus};
use super::entry::{Draw, Entry, EntryKind};

/// What entries of one kind moved. Sums over a long history may pass 2^63, though no
/// balance ever does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flow {
    /// Of which kind they are.
    pub kind: EntryKind,
    /// Credits that came in, 0 or more.
    pub came: i128,
    /// Credits that went, 0 or more.
    pub went: i128,
    /// By how much what is held went up or (negative) down.
    pub reserved: i128,
}

impl Flow {
    /// What one draw of an entry of `kind` moved.
    #[must_use]
    pub fn of_draw(kind: EntryKind, draw: &Draw) -> Self {
        let (remaining, reserved) = (i128::from(draw.remaining), i128::from(draw.reserved));
        let moved = remaining + reserved;
        Self { kind, came: moved.max(0), went: (-moved).max(0), reserved }
    }

    /// What an entry moved in all.
    #[must_use]
    pub fn of_entry(entry: &Entry) -> Self {
        let credits = i128::from(entry.credits);
        let reserved = entry.draws.iter().map(|draw| i128::from(draw.reserved)).sum();
        Self { kind: entry.kind, came: credits.max(0), went: (-credits).max(0), reserved }
    }
}

/// Where credits are and where they went. Always
/// `credits = remaining + reserved + pending + used - refunded + expired + voided +
/// adjusted + transferred + unbooked`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = BalanceParts)]
pub struct Parts {
    /// What there was to begin with.
    #[schema(minimum = 0)]
    pub credits: i128,
    /// What can be spent.
    #[schema(minimum = 0)]
    pub remaining: i128,
    /// What reservations hold.
    #[schema(minimum = 0)]
    pub reserved: i128,
    /// What waits for its time to come.
    #[schema(minimum = 0)]
    pub pending: i128,
    /// What was spent, also what came back later.
    #[schema(minimum = 0)]
    pub used: i128,
    /// What came back of it.
    #[schema(minimum = 0)]
    pub refunded: i128,
    /// What ran out of time.
    #[schema(minimum = 0)]
    pub expired: i128,
    /// What was forfeited.
    #[schema(minimum = 0)]
    pub voided: i128,
    /// What corrections took away.
    #[schema(minimum = 0)]
    pub adjusted: i128,
    /// What was moved to other accounts.
    #[schema(minimum = 0)]
    pub transferred: i128,
    /// What no entry has booked: of an allocation of the older system what was gone
    /// before its database was adopted, and all of it at instants before that.
    #[schema(minimum = 0)]
    pub unbooked: i128,
}

impl Parts {
    /// `credits` that nothing has happened to.
    #[must_use]
    pub fn of(credits: i128) -> Self {
        Self { credits, unbooked: credits, ..Self::default() }
    }

    /// The same after entries moved `flow`. Every kind has to say what it means here.
    #[must_use]
    pub fn after(mut self, flow: &Flow) -> Self {
        let Flow { kind, came, went, reserved } = *flow;
        self.remaining += came - went - reserved;
        self.reserved += reserved;
        match kind {
            EntryKind::Allocation | EntryKind::Welcome | EntryKind::Adoption | EntryKind::TransferIn => {
                self.unbooked -= came;
            }
            EntryKind::Expiry => self.expired += went,
            EntryKind::Usage | EntryKind::Capture => self.used += went,
            EntryKind::Refund => self.refunded += came,
            // Between available and reserved, and back.
            EntryKind::Reservation | EntryKind::Release => {}
            EntryKind::Void => self.voided += went,
            // Upward makes an allocation, downward draws on those that are there.
            EntryKind::Adjustment => {
                self.unbooked -= came;
                self.adjusted += went;
            }
            EntryKind::TransferOut => self.transferred += went,
        }
        self
    }

    /// The same with `credits` of what no entry has booked waiting for their time.
    #[must_use]
    pub fn waiting(self, credits: i128) -> Self {
        Self { pending: self.pending + credits, unbooked: self.unbooked - credits, ..self }
    }

    /// The same with `credits` of what no entry has booked forfeited while they waited:
    /// such a void moves nothing.
    #[must_use]
    pub fn forfeited(self, credits: i128) -> Self {
        Self { voided: self.voided + credits, unbooked: self.unbooked - credits, ..self }
    }

    /// The same with `credits` of what no entry has booked moved to another account while
    /// they waited: the entry of such a transfer moves nothing of them.
    #[must_use]
    pub fn moved(self, credits: i128) -> Self {
        Self { transferred: self.transferred + credits, unbooked: self.unbooked - credits, ..self }
    }

    /// Whether the parts add up to the credits, and none is below zero.
    #[must_use]
    pub fn add_up(&self) -> bool {
        let there = [self.remaining, self.reserved, self.pending];
        let gone = [
            self.used - self.refunded,
            self.expired,
            self.voided,
            self.adjusted,
            self.transferred,
            self.unbooked,
        ];
        let all = || there.iter().chain(&gone).copied();
        all().all(|part| part >= 0) && all().sum::<i128>() == self.credits
    }
}

/// An allocation at an instant, and what had become of its credits by then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExplainedAllocation {
    /// The allocation as it was.
    pub allocation: Allocation,
    /// Where it stood.
    pub status: AllocationStatus,
    /// What had become of its credits.
    pub parts: Parts,
}

impl ExplainedAllocation {
    /// `allocation`, in whatever state it is now, as it was at `at`. `is_voided` says whether
    /// an entry of kind void that refers to it was booked by then; `flows` are the draws on
    /// it of all entries by then, together with those of what was due.
    #[must_use]
    pub fn new(mut allocation: Allocation, at: OffsetDateTime, is_voided: bool, flows: &[Flow]) -> Self {
        let credits = i128::from(allocation.credits);
        let mut parts = flows.iter().fold(Parts::of(credits), Parts::after);
        let begin = allocation.effective_at.filter(|begin| *begin > allocation.recorded_at);
        let has = |kind| flows.iter().any(|flow| flow.kind == kind);
        let has_begun = has(EntryKind::Allocation);
        // Of one that had not begun all is moved, and named by a draw of nothing.
        let has_left = begin.is_some() && !has_begun && has(EntryKind::TransferOut);
        allocation.is_voided = is_voided;
        allocation.is_pending = begin.is_some_and(|begin| begin > at) && !is_voided && !has_left;
        if allocation.is_pending {
            parts = parts.waiting(credits);
        } else if has_left {
            parts = parts.moved(credits);
        } else if begin.is_some() && is_voided && !has_begun {
            parts = parts.forfeited(credits);
        }
        // Both are parts of the credits.
        allocation.remaining = i64::try_from(parts.remaining).unwrap_or(i64::MAX);
        allocation.reserved = i64::try_from(parts.reserved).unwrap_or(i64::MAX);
        Self { status: allocation.status(at), allocation, parts }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waited_can_be_forfeited_or_moved() {
        let waiting = Parts::of(10).waiting(10);
        assert_eq!((waiting.pending, waiting.unbooked), (10, 0));
        let forfeited = Parts::of(10).forfeited(10);
        assert_eq!(forfeited, Parts { voided: 10, unbooked: 0, ..Parts::of(10) });
        let moved = Parts::of(10).moved(10);
        assert_eq!(moved, Parts { transferred: 10, unbooked: 0, ..Parts::of(10) });
        assert!(waiting.add_up() && forfeited.add_up() && moved.add_up());
    }

    #[test]
    fn parts_add_up_and_none_is_below_zero() {
        let sound = Parts { remaining: 4, used: 6, refunded: 1, expired: 1, unbooked: 0, ..Parts::of(10) };
        assert!(sound.add_up());
        assert!(!Parts { remaining: 5, ..sound }.add_up(), "more than there was");
        assert!(!Parts { remaining: -1, expired: 6, ..sound }.add_up(), "less than nothing is left");
        assert!(!Parts { remaining: 10, used: 0, ..sound }.add_up(), "more came back than was spent");
    }

    #[test]
    fn an_entry_comes_or_goes_as_a_whole() {
        let id = uuid::Uuid::nil();
        let draw = |remaining, reserved| Draw { allocation_id: id, remaining, reserved };
        let entry = |credits, draws| Entry {
            seq: 1,
            kind: EntryKind::Capture,
            credits,
            balance_after: 0,
            reserved_after: 0,
            draws,
            reference: id,
            actor: String::new(),
            reason: None,
            recorded_at: OffsetDateTime::UNIX_EPOCH,
            counterparty: None,
            seal: crate::ledger::chain::Seal::default(),
        };
        let flow = |came, went, reserved| Flow { kind: EntryKind::Capture, came, went, reserved };
        assert_eq!(Flow::of_entry(&entry(-7, vec![draw(-2, -3), draw(0, -2)])), flow(0, 7, -5));
        assert_eq!(Flow::of_entry(&entry(7, vec![draw(7, 0)])), flow(7, 0, 0));
        assert_eq!(Flow::of_draw(EntryKind::Capture, &draw(-2, -3)), flow(0, 5, -3));
    }
}
