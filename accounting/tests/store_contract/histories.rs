//! The same random histories over PostgreSQL and SQLite, with equal results to the last byte.

use std::collections::BTreeMap;
use std::sync::Arc;

use accrue_accounting::ledger::chain::Seal;
use accrue_accounting::ledger::{
    Account, Action, Adjust, Allocate, Capture, Command, Correction, Cost, Entry, OnShortfall, Policies,
    Reserve, Transfer, Use,
};
use accrue_accounting::rates::RateOrder;
use accrue_accounting::store::{AccountFilter, ExplainedBalance, LedgerStore};
use accrue_events::outbox::Claim;
use accrue_events::user::UserStatus;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::auditing::findings;
use crate::fixture::{Fixture, NOON, check_books, entries, keyed, snapshot};
use crate::outbox::TELLING;
use crate::pricing::{rate, tokens};

const USERS: [&str; 3] = ["u1", "u2", "u3"];

/// A history of commands, the same for the same seed.
pub(crate) struct History {
    random: u64,
    made: u128,
    allocations: Vec<Uuid>,
    usages: Vec<Uuid>,
    reservations: Vec<Uuid>,
    pub(crate) now: OffsetDateTime,
}

impl History {
    pub(crate) fn new(seed: u64) -> Self {
        let (allocations, usages, reservations) = (Vec::new(), Vec::new(), Vec::new());
        Self { random: seed, made: 0, allocations, usages, reservations, now: NOON }
    }

    /// 0 to `below` - 1.
    pub(crate) fn any(&mut self, below: i64) -> i64 {
        // Knuth's generator; its upper bits are random enough for this.
        self.random =
            self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        i64::try_from(self.random >> 33).expect("31 bits") % below
    }

    fn id(&mut self) -> Uuid {
        self.made += 1;
        // What a transfer makes counts up from its id.
        Uuid::from_u128(self.made << 16)
    }

    fn some(&mut self, percent: i64, below: i64) -> Option<i64> {
        let (chance, value) = (self.any(100), self.any(below));
        (chance < percent).then_some(value)
    }

    fn pick(&mut self, of: fn(&Self) -> &Vec<Uuid>) -> Uuid {
        let count = i64::try_from(of(self).len()).expect("few");
        let back = self.any(12.min(count.max(1)));
        of(self).iter().rev().nth(usize::try_from(back).expect("small")).copied().unwrap_or_default()
    }

    fn later(&mut self, percent: i64) -> Option<OffsetDateTime> {
        self.some(percent, 90).map(|minutes| self.now + Duration::minutes(minutes + 1))
    }

    fn allocate(&mut self) -> Action {
        let id = self.id();
        self.allocations.push(id);
        let (effective_at, expires_at) = (self.later(25), self.later(50));
        Action::Allocate(Allocate {
            allocation_id: id,
            credits: self.any(30) + 1,
            priority: i16::try_from(50 + self.any(3)).expect("small"),
            effective_at,
            expires_at,
            reason: None,
            metadata: None,
        })
    }

    /// Up to so many credits, or as many tokens; and of what, if of something.
    fn cost(&mut self, most: i64) -> (Cost, Option<String>) {
        let (quantity, resource) = (self.any(most), (self.any(3) > 0).then(|| "chat".to_owned()));
        let in_units = self.any(3) == 0;
        let cost = if in_units { tokens(quantity.unsigned_abs()) } else { Cost::Credits(quantity + 1) };
        (cost, resource)
    }

    /// A rate for chat, now or later.
    pub(crate) fn rate(&mut self) -> RateOrder {
        let (thousandth, effective_at) = (self.any(2_500), self.later(50));
        let credits = format!("{thousandth}.{}", self.any(10));
        rate("chat", Some(&credits).filter(|_| thousandth > 100).map(String::as_str), effective_at)
    }

    fn action(&mut self) -> Action {
        let id = self.id();
        match self.any(23) {
            0..7 => self.allocate(),
            7..11 => {
                self.usages.push(id);
                let (cost, resource) = self.cost(60);
                Action::Use(Use { usage_id: id, cost, resource, metadata: None })
            }
            11..13 => {
                let (usage_id, credits) = (self.pick(|made| &made.usages), self.some(50, 40));
                Action::Refund { usage_id, credits, reason: None }
            }
            13..15 => {
                self.reservations.push(id);
                let ((cost, resource), expires_in_s) = (self.cost(50), 60 * (self.any(60) + 1));
                let metadata = None;
                Action::Reserve(Reserve { reservation_id: id, cost, expires_in_s, resource, metadata })
            }
            15 => {
                self.usages.push(id);
                let on_shortfall = if self.any(2) == 0 { OnShortfall::Cap } else { OnShortfall::Reject };
                let reservation_id = self.pick(|made| &made.reservations);
                let cost = self.some(70, 1).map(|_| self.cost(80).0);
                Action::Capture(Capture { reservation_id, usage_id: id, cost, on_shortfall })
            }
            16 => Action::Release { reservation_id: self.pick(|made| &made.reservations) },
            17 => {
                let reservation_id = self.pick(|made| &made.reservations);
                Action::Extend { reservation_id, expires_in_s: 60 * (self.any(60) + 1) }
            }
            18..21 => {
                let to = USERS[usize::try_from(self.any(3)).expect("small")].to_owned();
                let (credits, reason) = (self.some(60, 60), "mistyped".to_owned());
                Action::Transfer(Transfer { transfer_id: id, to, credits, reason })
            }
            21 => Action::Void { allocation_id: self.pick(|made| &made.allocations), reason: None },
            _ => {
                let change = match self.any(2) {
                    0 => Correction::By(self.any(40) - 20),
                    _ => Correction::SetAvailable(self.any(100)),
                };
                Action::Adjust(Adjust { adjustment_id: id, change, reason: "counted".to_owned() })
            }
        }
    }

    pub(crate) fn command(&mut self) -> Command {
        let user_id = USERS[usize::try_from(self.any(3)).expect("small")];
        if self.any(100) == 0 {
            let version = self.any(1_000);
            let status = if self.any(2) == 0 { UserStatus::Active } else { UserStatus::Deactivated };
            return Command::apply_user(snapshot(user_id, version, status), self.id());
        }
        let action = self.action();
        // Some keys come again, with the same number or another one.
        let (key, number) = (self.any(500), self.any(2));
        keyed(user_id, &format!("k{key}"), number, action)
    }
}

/// The balances as they were told at an instant.
type Told = BTreeMap<(OffsetDateTime, &'static str), ExplainedBalance>;

async fn explain(
    store: &Arc<dyn LedgerStore>,
    user_id: &str,
    at: OffsetDateTime,
) -> Option<ExplainedBalance> {
    store.balance(user_id, at, None, 9_999).await.expect("readable")
}

/// Adds what the store tells of one user's balance at `at`, which is now.
async fn remember(told: &mut Told, store: &Arc<dyn LedgerStore>, (round, at): (usize, OffsetDateTime)) {
    // Something may have been booked at this very instant since it was told of.
    told.retain(|(instant, _), _| *instant != at);
    let user_id = USERS[round % 3];
    if let Some(explained) = explain(store, user_id, at).await {
        told.insert((at, user_id), explained);
    }
}

/// That both tell the same of every instant as was told when it was now.
async fn compare_past(stores: &[Arc<dyn LedgerStore>; 2], told: &Told, seed: u64) {
    assert!(told.len() > 90, "seed {seed}: only {} were remembered", told.len());
    for ((at, user_id), told) in told {
        for store in stores {
            let again = explain(store, user_id, *at).await;
            assert_eq!(again.as_ref(), Some(told), "seed {seed}: {user_id} at {at}");
        }
    }
}

/// That both show the same now.
async fn compare(stores: &[Arc<dyn LedgerStore>; 2], seed: u64) {
    let [one, other] = stores;
    let filter = AccountFilter::default();
    let (a, b) = (one.accounts(&filter, None, 9).await, other.accounts(&filter, None, 9).await);
    let accounts = |views: Vec<accrue_accounting::store::AccountView>| {
        // Salts of free text differ, and with them the chains.
        let account =
            |view: accrue_accounting::store::AccountView| Account { chain_head: None, ..view.account };
        views.into_iter().map(account).collect::<Vec<_>>()
    };
    assert_eq!(accounts(a.expect("readable")), accounts(b.expect("readable")), "seed {seed}");
    let (a, b) = (one.rates(None, 9).await, other.rates(None, 9).await);
    assert_eq!(a.expect("readable"), b.expect("readable"), "seed {seed}");
    for user_id in USERS {
        let unsealed = |entries: Vec<Entry>| -> Vec<Entry> {
            entries.into_iter().map(|entry| Entry { seal: Seal::default(), ..entry }).collect()
        };
        let (a, b) = (entries(one, user_id).await, entries(other, user_id).await);
        assert_eq!(unsealed(a), unsealed(b), "seed {seed}");
        let (a, b) = (one.allocations(user_id, None, 999).await, other.allocations(user_id, None, 999).await);
        assert_eq!(a.expect("readable"), b.expect("readable"), "seed {seed}");
        let (a, b) = (one.usages(user_id, None, 999).await, other.usages(user_id, None, 999).await);
        assert_eq!(a.expect("readable"), b.expect("readable"), "seed {seed}");
        let (a, b) =
            (one.reservations(user_id, None, 999).await, other.reservations(user_id, None, 999).await);
        assert_eq!(a.expect("readable"), b.expect("readable"), "seed {seed}");
    }
}

/// That both give out the same events, and takes them away.
async fn compare_events([one, other]: &[Arc<dyn LedgerStore>; 2], seed: u64) {
    let lease = std::time::Duration::from_secs(10);
    let (a, b) = (one.claim(10_000, lease).await, other.claim(10_000, lease).await);
    let (a, b) = (a.expect("a claim"), b.expect("a claim"));
    let messages = |claim: &Claim| claim.entries.iter().map(|one| one.message.clone()).collect::<Vec<_>>();
    assert_eq!(messages(&a), messages(&b), "seed {seed}");
    one.mark_published(&a, &a.entries).await.expect("marked");
    other.mark_published(&b, &b.entries).await.expect("marked");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_stores_tell_the_same_history() {
    let Some(postgres) = Fixture::postgres().await else { return };
    for seed in 1..=3 {
        let sqlite = Fixture::sqlite();
        let fresh = Fixture::postgres().await.expect("as before");
        let ((one, clock), (other, other_clock)) =
            (sqlite.store_at_noon().await, fresh.store_at_noon().await);
        let stores = [one, other];
        let mut history = History::new(seed);
        let (mut accepted, mut told) = (0, Told::new());
        for round in 0..150 {
            let step = Duration::minutes(history.any(6));
            clock.advance(step);
            other_clock.advance(step);
            history.now += step;
            if round % 7 == 0 {
                let order = history.rate();
                let made = stores[0].put_rate(&order).await.expect("writable");
                assert_eq!(made, stores[1].put_rate(&order).await.expect("writable"), "seed {seed}");
            }
            let commands: Vec<Command> = (0..=history.any(12)).map(|_| history.command()).collect();
            let posted = stores[0].post(&commands, TELLING).await.expect("posted");
            let too = stores[1].post(&commands, TELLING).await.expect("posted");
            assert_eq!(posted, too, "seed {seed}, round {round}: {commands:?}");
            accepted += posted.iter().filter(|one| one.is_ok()).count();
            remember(&mut told, &stores[round % 2], (round, history.now)).await;
            if round % 10 == 0 {
                let step = Duration::minutes(history.any(20));
                clock.advance(step);
                other_clock.advance(step);
                history.now += step;
                compare(&stores, seed).await;
                remember(&mut told, &stores[round / 10 % 2], (round, history.now)).await;
            }
            compare_events(&stores, seed).await;
        }
        for user_id in USERS {
            for store in &stores {
                let settle = Command::settle(user_id.to_owned());
                store.post(&[settle], Policies::DEFAULT).await.expect("posted")[0].clone().expect("settled");
                check_books(store, user_id).await;
            }
        }
        compare(&stores, seed).await;
        assert_eq!(findings(&sqlite, None).await, [], "seed {seed}");
        assert_eq!(findings(&fresh, None).await, [], "seed {seed}");
        compare_past(&stores, &told, seed).await;
        assert!(accepted > 400, "seed {seed}: only {accepted} commands were accepted");
    }
    drop(postgres);
}
