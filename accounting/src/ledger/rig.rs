//! Accounts kept whole in memory and loaded in parts, no more than a store would load.

use std::collections::{BTreeMap, BTreeSet};

use accrue_events::account::{AccountEvent, Happening};
use time::OffsetDateTime;
use uuid::Uuid;

use super::chain::SaltSeed;
use super::*;
use crate::rates::{RateVersion, in_force};

/// Below this an account is low.
pub(super) const BALANCE_LOW: i64 = 20;

/// Everything of one account.
#[derive(Clone)]
pub(super) struct Whole {
    pub(super) account: Account,
    pub(super) allocations: BTreeMap<Uuid, Allocation>,
    pub(super) usages: BTreeMap<Uuid, Usage>,
    pub(super) reservations: BTreeMap<Uuid, Reservation>,
    pub(super) entries: Vec<Entry>,
    pub(super) events: Vec<AccountEvent>,
    /// Versions of the rates of all resources.
    pub(super) rates: Vec<RateVersion>,
    /// How many things of a kind that are due one batch settles.
    pub(super) most_due: usize,
    keys: Vec<KeyRecord>,
}

impl Whole {
    pub(super) fn new() -> Self {
        Self::of("u")
    }

    fn of(user_id: &str) -> Self {
        Self {
            account: Account::placeholder(user_id),
            allocations: BTreeMap::new(),
            usages: BTreeMap::new(),
            reservations: BTreeMap::new(),
            entries: Vec::new(),
            events: Vec::new(),
            rates: Vec::new(),
            most_due: usize::MAX,
            keys: Vec::new(),
        }
    }

    /// Decides `commands` as one batch.
    pub(super) fn post(
        &mut self,
        commands: &[Command],
        policies: Policies,
        now: OffsetDateTime,
    ) -> Vec<Result<Receipt, Rejection>> {
        let mut state = self.load(commands, now);
        let posted = commands.iter().map(|command| state.decide(command, policies, now)).collect();
        if !state.is_overdrawn {
            self.save(state);
        }
        posted
    }

    /// The account as a store loads it for `commands`, all of a batch that change it, at `now`.
    pub(super) fn load(&self, commands: &[Command], now: OffsetDateTime) -> AccountState {
        let mut state = AccountState::new(self.account.clone());
        state.used_keys.clone_from(&self.keys);
        let now_is_due = self.account.is_due(now);
        let now = self.account.decision_time(now);
        if now_is_due {
            self.load_due(&mut state, now);
        }
        for needs in commands.iter().map(Command::needs) {
            needs.usage.and_then(|id| self.usages.get(&id)).into_iter().for_each(|one| {
                state.usages.hold(one.clone());
            });
            needs.reservation.and_then(|id| self.reservations.get(&id)).into_iter().for_each(|one| {
                state.reservations.hold(one.clone());
            });
        }
        let is_left = |command: &Command| command.user_id == self.account.user_id && command.needs().pending;
        if commands.iter().any(is_left) {
            let pending = self.allocations.values().filter(|one| one.is_pending);
            pending.for_each(|one| state.allocations.hold(one.clone()));
        }
        for id in state.allocations_named(commands.iter()) {
            self.allocations.get(&id).into_iter().for_each(|one| state.allocations.hold(one.clone()));
        }
        for resource in state.resources_priced(commands.iter()) {
            let versions = self.rates.iter().filter(|rate| rate.resource == resource);
            if let Some(rate) = in_force(versions, now) {
                state.rates.insert(resource, rate.clone());
            }
        }
        let mut needed = state.spendable_needed(commands.iter());
        let mut open: Vec<&Allocation> =
            self.allocations.values().filter(|one| one.remaining > 0 && !one.has_ended(now)).collect();
        open.sort_by_key(|one| one.burn_order());
        for allocation in open {
            if needed.credits <= 0 || needed.allocations <= 0 {
                break;
            }
            needed.credits -= allocation.remaining;
            needed.allocations -= 1;
            state.allocations.hold(allocation.clone());
        }
        state
    }

    fn load_due(&self, state: &mut AccountState, now: OffsetDateTime) {
        let of_allocations = |at: fn(&Allocation) -> Option<OffsetDateTime>| {
            self.allocations.values().filter_map(move |one| Some((at(one)?, one.id))).collect::<Vec<_>>()
        };
        let ends = of_allocations(|one| one.expires_at.filter(|_| one.remaining > 0));
        let begins = of_allocations(|one| one.effective_at.filter(|_| one.is_pending));
        let held = self.reservations.values().filter(|one| one.is_held());
        let releases: Vec<_> = held.map(|one| (one.expires_at, one.id)).collect();
        let all = ends.iter().chain(&begins).chain(&releases);
        state.due_after = all.map(|(at, _)| *at).filter(|at| *at > now).min();
        for mut kind in [ends, begins, releases] {
            kind.retain(|(at, _)| *at <= now);
            kind.sort_unstable();
            if kind.len() > self.most_due {
                kind.truncate(self.most_due);
                let last = kind[self.most_due - 1].0;
                state.due_until = Some(state.due_until.map_or(last, |until| until.min(last)));
            }
            for (_, id) in kind {
                self.allocations.get(&id).into_iter().for_each(|one| state.allocations.hold(one.clone()));
                self.reservations.get(&id).into_iter().for_each(|one| state.reservations.hold(one.clone()));
            }
        }
    }

    /// Every allocation with what had become of it by `at`, told by the entries by then alone.
    pub(super) fn explain(&self, at: OffsetDateTime) -> Vec<ExplainedAllocation> {
        let by_then: Vec<&Entry> = self.entries.iter().filter(|entry| entry.recorded_at <= at).collect();
        let explain = |one: &Allocation| {
            let of_this = |draw: &&Draw| draw.allocation_id == one.id;
            let flows = |entry: &&Entry| {
                let flow = |draw| Flow::of_draw(entry.kind, draw);
                entry.draws.iter().filter(of_this).map(flow).collect::<Vec<_>>()
            };
            let flows: Vec<Flow> = by_then.iter().flat_map(flows).collect();
            let voids = |entry: &&Entry| entry.kind == EntryKind::Void && entry.reference == one.id;
            ExplainedAllocation::new(one.clone(), at, by_then.iter().any(voids), &flows)
        };
        self.allocations.values().filter(|one| one.recorded_at <= at).map(explain).collect()
    }

    /// What usages drew on an allocation.
    pub(super) fn used_of(&self, allocation_id: Uuid) -> i128 {
        let draws = self.usages.values().flat_map(|usage| &usage.draws);
        draws
            .filter(|share| share.allocation_id == allocation_id)
            .map(|share| i128::from(share.credits))
            .sum()
    }

    /// Writes what a batch made of the account back.
    pub(super) fn save(&mut self, batch: AccountState) {
        let policy = EventPolicy::On { balance_low: BALANCE_LOW };
        let batch = Accounts::from([(batch.account.user_id.clone(), batch)]);
        self.events.extend(events_of(&batch, policy));
        let Some(batch) = batch.into_values().next() else { return };
        self.account = batch.account;
        self.entries.extend(batch.entries);
        self.keys.extend(batch.new_keys);
        let changes = [Change::Made, Change::Updated];
        for change in changes {
            self.allocations.extend(batch.allocations.with(change).map(|one| (one.id, one.clone())));
            self.usages.extend(batch.usages.with(change).map(|one| (one.id, one.clone())));
            self.reservations.extend(batch.reservations.with(change).map(|one| (one.id, one.clone())));
        }
    }

    /// That balances, entries, allocations and reservations say the same.
    pub(super) fn check(&self) {
        let account = &self.account;
        assert!(account.available >= 0 && account.reserved >= 0 && account.pending >= 0);
        assert!(account.available + account.reserved + account.pending < CREDITS_LIMIT);
        self.check_entries();
        self.check_events();
        let sum = |part: fn(&Allocation) -> i64| self.allocations.values().map(part).sum::<i64>();
        assert_eq!(account.available, sum(|one| one.remaining));
        assert_eq!(account.reserved, sum(|one| one.reserved));
        assert_eq!(account.pending, sum(|one| if one.is_pending { one.credits } else { 0 }));
        let held = self.reservations.values().filter(|one| one.is_held());
        assert_eq!(account.reserved, held.clone().map(|one| one.credits).sum::<i64>());
        let ends = self.allocations.values().filter(|one| one.remaining > 0).filter_map(|one| one.expires_at);
        let begins =
            self.allocations.values().filter(|one| one.is_pending).filter_map(|one| one.effective_at);
        let soonest = ends.chain(begins).chain(held.map(|one| one.expires_at)).min();
        assert!(soonest.is_none_or(|at| account.next_due_at.is_some_and(|due| due <= at)), "overslept");
    }

    /// That entries follow one another, and that their draws add up to the allocations.
    fn check_entries(&self) {
        let mut drawn: BTreeMap<Uuid, (i64, i64)> = BTreeMap::new();
        let (mut balance, mut reserved) = (0, 0);
        for (index, entry) in self.entries.iter().enumerate() {
            for draw in &entry.draws {
                let sums = drawn.entry(draw.allocation_id).or_default();
                sums.0 += draw.remaining;
                sums.1 += draw.reserved;
                reserved += draw.reserved;
            }
            let moved: i64 = entry.draws.iter().map(|draw| draw.remaining + draw.reserved).sum();
            assert_eq!(entry.credits, moved);
            balance += entry.credits;
            assert_eq!(entry.seq, i64::try_from(index).unwrap() + 1);
            assert_eq!((entry.balance_after, entry.reserved_after), (balance, reserved));
        }
        assert!(self.entries.is_sorted_by_key(|entry| entry.recorded_at));
        assert_eq!(self.account.available + self.account.reserved, balance);
        for one in self.allocations.values() {
            let sums = drawn.get(&one.id).copied().unwrap_or_default();
            assert_eq!((one.remaining, one.reserved), sums, "the draws on {}", one.id);
        }
    }

    /// That each entry was told once, in order, and each fall of the balance below the
    /// threshold once.
    fn check_events(&self) {
        let mut told = self.events.iter();
        let mut available = 0;
        for entry in &self.entries {
            let before = available;
            available = entry.balance_after - entry.reserved_after;
            let event = told.next().expect("every entry is told");
            let Happening::Booked(_, booked) = &event.happening else { panic!("{event:?}") };
            assert_eq!((booked.seq, booked.kind.as_str()), (entry.seq, entry.kind.word()));
            assert_eq!((booked.credits, event.occurred_at), (entry.credits, entry.recorded_at));
            assert_eq!(booked.change.available, available - before);
            assert_eq!(booked.change.available + booked.change.reserved, entry.credits);
            let balance = (booked.balance.available, booked.balance.reserved);
            assert_eq!(balance, (available, entry.reserved_after));
            if before >= BALANCE_LOW && available < BALANCE_LOW {
                let event = told.next().expect("every fall is told");
                let Happening::BalanceLow(low) = &event.happening else { panic!("{event:?}") };
                assert_eq!((low.seq, low.threshold), (entry.seq, BALANCE_LOW));
                assert_eq!(low.balance, booked.balance);
            }
        }
        assert_eq!(told.next(), None, "told twice");
        let ids: BTreeSet<Uuid> = self.events.iter().map(|event| event.id).collect();
        assert_eq!(ids.len(), self.events.len(), "two events have one id");
    }
}

/// Several accounts.
#[derive(Clone)]
pub(super) struct Books {
    pub(super) accounts: BTreeMap<String, Whole>,
}

impl Books {
    pub(super) fn of(user_ids: &[&str]) -> Self {
        let accounts = user_ids.iter().map(|user_id| ((*user_id).to_owned(), Whole::of(user_id)));
        Self { accounts: accounts.collect() }
    }

    /// Decides `commands` as one batch.
    pub(super) fn post(
        &mut self,
        commands: &[Command],
        now: OffsetDateTime,
    ) -> Vec<Result<Receipt, Rejection>> {
        let named: BTreeSet<&str> = commands.iter().flat_map(Command::user_ids).collect();
        let load = |user_id: &str| {
            let changes_it = |command: &&Command| command.user_ids().any(|one| one == user_id);
            let commands: Vec<Command> = commands.iter().filter(changes_it).cloned().collect();
            (user_id.to_owned(), self.accounts[user_id].load(&commands, now))
        };
        let mut states: Accounts = named.into_iter().map(load).collect();
        let posted = decide_all(&mut states, commands, Policies::DEFAULT, (now, SaltSeed::default()));
        let posted = posted.expect("sound books");
        for (user_id, state) in states {
            self.accounts.get_mut(&user_id).expect("there is one").save(state);
        }
        posted
    }

    /// That each account's books are in order, and that what transfers took from one came
    /// to the other.
    pub(super) fn check(&self) {
        let mut ends: BTreeMap<Uuid, Vec<(&str, &Entry)>> = BTreeMap::new();
        for (user_id, whole) in &self.accounts {
            whole.check();
            for entry in whole.entries.iter().filter(|entry| entry.counterparty.is_some()) {
                ends.entry(entry.reference).or_default().push((user_id, entry));
            }
        }
        for (id, ends) in ends {
            let [(one, first), (other, second)] = ends[..] else { panic!("{id} has {} ends", ends.len()) };
            let counterparties = (first.counterparty.as_deref(), second.counterparty.as_deref());
            assert_eq!(counterparties, (Some(other), Some(one)));
            assert_eq!((first.credits + second.credits, &first.reason), (0, &second.reason));
            assert_eq!((first.recorded_at, first.draws.len()), (second.recorded_at, second.draws.len()));
            let (out, back) =
                if first.kind == EntryKind::TransferOut { (first, second) } else { (second, first) };
            assert_eq!((out.kind, back.kind), (EntryKind::TransferOut, EntryKind::TransferIn));
        }
    }
}
