//! Which allocations a debit draws on: by priority, then the soonest end, then age.

use time::OffsetDateTime;

use super::allocation::{Allocation, Share};
use super::receipt::Rejection;
use super::state::AccountState;

impl AccountState {
    /// What drawing `credits` takes from which allocations. Nothing is changed yet.
    pub(super) fn plan_burn(&self, credits: i64, now: OffsetDateTime) -> Result<Vec<Share>, Rejection> {
        let (shares, lacking) = self.plan_burn_of(usize::MAX, credits, now)?;
        if lacking == 0 { Ok(shares) } else { Err(Rejection::BooksDisagree) }
    }

    /// What drawing `credits` takes from the `most` allocations that burn first, and what
    /// is lacking then.
    pub(super) fn plan_burn_of(
        &self,
        most: usize,
        credits: i64,
        now: OffsetDateTime,
    ) -> Result<(Vec<Share>, i64), Rejection> {
        let available = self.account.available;
        if credits > available {
            return Err(Rejection::InsufficientCredits { available, required: credits });
        }
        let can_burn = |one: &&Allocation| one.remaining > 0 && !one.has_ended(now);
        let mut open: Vec<&Allocation> = self.allocations.iter().filter(can_burn).collect();
        open.sort_unstable_by_key(|one| one.burn_order());
        let mut left = credits;
        let mut shares = Vec::new();
        for allocation in open.into_iter().take(most) {
            if left == 0 {
                break;
            }
            let taken = allocation.remaining.min(left);
            left -= taken;
            shares.push(Share { allocation_id: allocation.id, credits: taken });
        }
        Ok((shares, left))
    }
}
