//! A balance explained: what a store has read of it, put together.

use std::collections::{BTreeMap, BTreeSet};

use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::ledger::{AccountState, Allocation, BalanceView, Entry, ExplainedAllocation, Flow, Parts};
use crate::store::StoreError;

/// What an account held at an instant, and what of which allocations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExplainedBalance {
    /// The instant.
    pub at: OffsetDateTime,
    /// What the account held.
    pub balance: BalanceView,
    /// What had become of all credits that ever came, whichever page this is.
    pub totals: Parts,
    /// One page of the allocations that were made by then, newest first.
    pub allocations: Vec<ExplainedAllocation>,
}

/// The instant to explain, on an account that was settled for it in memory.
pub(super) struct Instant {
    /// The instant.
    pub(super) at: OffsetDateTime,
    /// Entries that settling would book: they count, and are stored nowhere.
    pub(super) due: Vec<Entry>,
    /// What is available and reserved now, if nothing was booked after the instant.
    pub(super) latest: Option<(i64, i64)>,
    /// The last entry that is stored.
    pub(super) stored_seq: i64,
}

impl Instant {
    /// `state`, which was settled by `at`, seen from there.
    pub(super) fn new(state: AccountState, at: OffsetDateTime) -> Self {
        let account = &state.account;
        let is_latest = account.last_entry_at.is_none_or(|last| last <= at);
        let latest = is_latest.then_some((account.available, account.reserved));
        let unstored = i64::try_from(state.entries.len()).unwrap_or(i64::MAX);
        let stored_seq = account.last_seq - unstored;
        let due = if is_latest { state.entries } else { Vec::new() };
        Self { at, due, latest, stored_seq }
    }

    /// The first instant that no longer counts: times are whole microseconds.
    pub(super) fn end(&self) -> OffsetDateTime {
        self.at.saturating_add(Duration::microseconds(1))
    }
}

/// What was read of the account as a whole.
pub(super) struct Sums {
    /// `balance_after` and `reserved_after` of the last entry by the instant.
    pub(super) balance: (i64, i64),
    /// What all entries by then moved, by kind. What they held is not looked at.
    pub(super) flows: Vec<Flow>,
    /// What all allocations that were made by then were made with.
    pub(super) credits: i128,
    /// What of that had its time still ahead, whether or not it was voided before.
    pub(super) ahead: i128,
    /// What was voided by then before its time came.
    pub(super) forfeited: i128,
    /// What of that had its time still ahead.
    pub(super) forfeited_ahead: i128,
    /// What was moved to other accounts by then before its time came.
    pub(super) moved: i128,
    /// What of that had its time still ahead.
    pub(super) moved_ahead: i128,
}

/// What was read of one page of allocations.
#[derive(Default)]
pub(super) struct AllocationsPage {
    /// As they are stored now.
    pub(super) allocations: Vec<Allocation>,
    /// What the entries by the instant drew on them.
    pub(super) flows: Vec<(Uuid, Flow)>,
    /// Those that were voided by then.
    pub(super) voided: BTreeSet<Uuid>,
}

impl AllocationsPage {
    /// When the oldest of them was made: no entry before draws on any.
    pub(super) fn begin(&self) -> Option<OffsetDateTime> {
        self.allocations.iter().map(|one| one.recorded_at).min()
    }

    /// Their ids.
    pub(super) fn ids(&self) -> Vec<Uuid> {
        self.allocations.iter().map(|one| one.id).collect()
    }

    /// Whether any has been voided since it was made.
    pub(super) fn has_voided(&self) -> bool {
        self.allocations.iter().any(|one| one.is_voided)
    }

    fn explain(self, instant: &Instant) -> Vec<ExplainedAllocation> {
        let mut flows: BTreeMap<Uuid, Vec<Flow>> = BTreeMap::new();
        let due = instant.due.iter().flat_map(|entry| {
            entry.draws.iter().map(|draw| (draw.allocation_id, Flow::of_draw(entry.kind, draw)))
        });
        for (id, flow) in self.flows.into_iter().chain(due) {
            flows.entry(id).or_default().push(flow);
        }
        let explain = |one: Allocation| {
            let is_voided = self.voided.contains(&one.id);
            let flows = flows.remove(&one.id).unwrap_or_default();
            ExplainedAllocation::new(one, instant.at, is_voided, &flows)
        };
        self.allocations.into_iter().map(explain).collect()
    }
}

/// The balance, of what was read in one snapshot.
///
/// # Errors
/// [`StoreError::Corrupt`] where the entries do not add up, which takes a hand in the
/// database: numbers that explain nothing are not shown.
pub(super) fn explained(
    instant: &Instant,
    sums: &Sums,
    page: AllocationsPage,
) -> Result<ExplainedBalance, StoreError> {
    // Allocations that wait are in no entry, and some may have been made since.
    let pending = sums.ahead - sums.forfeited_ahead - sums.moved_ahead;
    let (available, reserved) = instant.latest.unwrap_or_else(|| {
        let (balance, reserved) = sums.balance;
        (balance - reserved, reserved)
    });
    let balance = BalanceView { available, reserved, pending: i64::try_from(pending).unwrap_or(i64::MAX) };
    let flows = sums.flows.iter().copied().chain(instant.due.iter().map(Flow::of_entry));
    let start = Parts::of(sums.credits).waiting(pending).forfeited(sums.forfeited).moved(sums.moved);
    let mut totals =
        flows.map(|flow| Flow { reserved: 0, ..flow }).fold(start, |parts, flow| parts.after(&flow));
    totals.reserved = i128::from(balance.reserved);
    totals.remaining -= totals.reserved;
    let allocations = page.explain(instant);
    let is_sound = totals.add_up()
        && totals.remaining == i128::from(balance.available)
        && allocations.iter().all(|one| one.parts.add_up());
    if is_sound {
        Ok(ExplainedBalance { at: instant.at, balance, totals, allocations })
    } else {
        Err(StoreError::Corrupt("the entries of an account do not add up to its balance".to_owned()))
    }
}
