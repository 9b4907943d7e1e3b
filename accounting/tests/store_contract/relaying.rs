//! Relays over the ledger's outbox: every entry is heard of, whoever publishes it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use accrue_accounting::ledger::EventPolicy;
use accrue_accounting::store::LedgerStore;
use accrue_accounting::{Batcher, OwnEvents};
use accrue_chassis::health::Link;
use accrue_chassis::lifecycle::Lifecycle;
use accrue_events::broker::{BrokerError, Message, Publication, Publisher};
use accrue_events::relay::{Outcome, Relay};
use accrue_testkit::eventually;
use async_trait::async_trait;
use futures_util::future::join_all;
use serde_json::Value;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::fixture::{Fixture, allocate, entries, post_with};
use crate::outbox::TELLING;

/// A broker that notes what it gets and leaves every `refuses`-th message unconfirmed the
/// first time that it comes.
#[derive(Clone, Default)]
struct Broker {
    got: Arc<Mutex<Vec<Message>>>,
    refuses: Option<usize>,
}

impl Broker {
    /// The numbers of the entries of each user, as they came.
    fn heard(&self) -> BTreeMap<String, Vec<i64>> {
        let mut heard: BTreeMap<String, Vec<i64>> = BTreeMap::new();
        for message in self.got.lock().expect("no test panicked").iter() {
            let event: Value = serde_json::from_slice(&message.body).expect("JSON");
            let user_id = event["subject"].as_str().expect("text").to_owned();
            heard.entry(user_id).or_default().push(event["data"]["seq"].as_i64().expect("a number"));
        }
        heard
    }

    fn count(&self) -> usize {
        self.got.lock().expect("no test panicked").len()
    }
}

#[async_trait]
impl Publisher for Broker {
    async fn connect(&mut self) -> Result<(), BrokerError> {
        Ok(())
    }

    async fn publish(&mut self, window: &[Message]) -> Result<Vec<Publication>, BrokerError> {
        let mut got = self.got.lock().expect("no test panicked");
        let answers = window.iter().map(|message| {
            let is_first = !got.iter().any(|other| other.id == message.id);
            got.push(message.clone());
            let is_refused = is_first && self.refuses.is_some_and(|nth| got.len().is_multiple_of(nth));
            if is_refused { Publication::Unconfirmed } else { Publication::Confirmed }
        });
        Ok(answers.collect())
    }
}

/// A broker that must not be asked.
struct Untouched;

#[async_trait]
impl Publisher for Untouched {
    async fn connect(&mut self) -> Result<(), BrokerError> {
        panic!("the broker was connected to")
    }

    async fn publish(&mut self, _: &[Message]) -> Result<Vec<Publication>, BrokerError> {
        panic!("something was published")
    }
}

fn relay(store: &Arc<dyn LedgerStore>, broker: &Broker) -> Relay {
    let outbox = Arc::<dyn LedgerStore>::clone(store);
    Relay::new("test", outbox, Box::new(broker.clone()), Arc::new(Notify::new()), Link::default())
}

/// Rounds until one finds nothing to claim and nothing is left.
async fn drain(store: &Arc<dyn LedgerStore>, broker: &Broker) {
    let mut relay = relay(store, broker);
    eventually("the outbox drains", async || {
        let outcome = relay.run_once().await;
        let is_idle = outcome.is_ok_and(|outcome| outcome == Outcome::default());
        is_idle && store.backlog().await.is_ok_and(|backlog| backlog.depth == 0)
    })
    .await;
}

/// Books for several users through both stores at once, as two processes do.
async fn book(stores: &[Arc<dyn LedgerStore>; 2], each: usize) -> Vec<String> {
    let users: Vec<String> = (0..6).map(|user| format!("u{user}")).collect();
    let posting = users.iter().flat_map(|user_id| {
        stores.iter().enumerate().map(move |(process, store)| async move {
            for number in 0..each {
                let command = allocate(user_id, &format!("{process}-{number}"), 1);
                post_with(store, command, TELLING).await.expect("room");
            }
        })
    });
    join_all(posting).await;
    users
}

pub(crate) async fn one_relay_keeps_the_order_of_each_account(fixture: Fixture) {
    let stores = [fixture.store().await, fixture.store().await];
    let broker = Broker::default();
    // Published while it is written, and after.
    let writing = book(&stores, 20);
    let done = CancellationToken::new();
    let mut early = relay(&stores[0], &broker);
    let publishing = async {
        while !done.is_cancelled() {
            early.run_once().await.expect("a round");
            tokio::task::yield_now().await;
        }
    };
    let (users, ()) = tokio::join!(
        async {
            let users = writing.await;
            done.cancel();
            users
        },
        publishing
    );
    drain(&stores[1], &broker).await;
    let heard = broker.heard();
    assert_eq!(heard.len(), users.len());
    for user_id in users {
        assert_eq!(heard[&user_id], (1..=40).collect::<Vec<i64>>(), "of {user_id}");
        assert_eq!(entries(&stores[0], &user_id).await.len(), 40);
    }
}

pub(crate) async fn two_relays_lose_nothing(fixture: Fixture) {
    let stores = [fixture.store().await, fixture.store().await];
    let users = book(&stores, 20).await;
    let broker = Broker { refuses: Some(7), ..Broker::default() };
    tokio::join!(drain(&stores[0], &broker), drain(&stores[1], &broker));
    let heard = broker.heard();
    for user_id in users {
        let once: BTreeSet<i64> = heard[&user_id].iter().copied().collect();
        assert_eq!(once, (1..=40).collect(), "of {user_id}");
    }
    assert!(broker.count() > 240, "nothing was refused, so nothing was shown");
}

/// A commit wakes the relay: long before it would have looked by itself, many times over.
pub(crate) async fn a_commit_is_published_at_once(fixture: Fixture) {
    let store = fixture.store().await;
    let lifecycle = Lifecycle::new();
    let batcher = Batcher::start(&store, TELLING, &lifecycle);
    let broker = Broker::default();
    let publisher = Box::new(broker.clone());
    let events = OwnEvents::new(&store, publisher, TELLING.events, batcher.committed());
    lifecycle.spawn_worker(events.run(lifecycle.worker_token()));
    let begun = std::time::Instant::now();
    for number in 0..20 {
        batcher.post(allocate("u1", &format!("k{number}"), 1)).await.expect("posted").expect("room");
        eventually("it is published", async || broker.count() > number).await;
    }
    // Twenty looks by the clock alone would take twenty seconds.
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    assert_eq!(broker.heard()["u1"], (1..=20).collect::<Vec<i64>>());
    assert!(lifecycle.drain(Duration::from_secs(5)).await, "the workers ended");
}

pub(crate) async fn what_is_left_when_events_are_off_is_published(fixture: Fixture) {
    let store = fixture.store().await;
    let nobody = || Arc::new(Notify::new());
    // While nothing is left it needs no broker, nor while it may be published by who has written it.
    for number in 0..2 {
        let idle = OwnEvents::new(&store, Box::new(Untouched), EventPolicy::Off, nobody());
        let looking = tokio::time::timeout(Duration::from_millis(300), idle.run(CancellationToken::new()));
        assert!(looking.await.is_err(), "something may be left later on");
        // By a process that has them on still, and ends before it has published them.
        post_with(&store, allocate("u1", &format!("k{number}"), 1), TELLING).await.expect("room");
    }
    let (broker, stop) = (Broker::default(), CancellationToken::new());
    let left = OwnEvents::new(&store, Box::new(broker.clone()), EventPolicy::Off, nobody());
    let draining = left.run(stop.clone());
    let drained = async {
        eventually("the outbox drains", async || {
            store.backlog().await.is_ok_and(|backlog| backlog.depth == 0)
        })
        .await;
        stop.cancel();
    };
    tokio::join!(draining, drained);
    assert_eq!(broker.heard()["u1"], [1, 2]);
}
