//! Relays over the store: everything is published, whoever does it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use accrue_auth::store::AuthStore;
use accrue_chassis::clock::ManualClock;
use accrue_chassis::health::Link;
use accrue_events::broker::{BrokerError, Message, Publication, Publisher};
use accrue_events::relay::{Outcome, Relay};
use accrue_events::user::{Decoded, UserEvent};
use async_trait::async_trait;
use futures_util::StreamExt as _;
use futures_util::stream;
use tokio::sync::Notify;

use crate::place::{Place, now, register};

/// A broker that notes what it gets and leaves every `refuses`-th message
/// unconfirmed the first time that it comes.
#[derive(Clone, Default)]
struct Broker {
    got: Arc<Mutex<Vec<Message>>>,
    refuses: Option<usize>,
}

impl Broker {
    fn users(&self) -> BTreeSet<String> {
        self.got.lock().expect("no test panicked").iter().map(subject).collect()
    }

    fn count(&self) -> usize {
        self.got.lock().expect("no test panicked").len()
    }
}

fn subject(message: &Message) -> String {
    match UserEvent::decode(&message.body) {
        Ok(Decoded::User(event)) => event.user.user_id,
        other => panic!("no user event: {other:?}"),
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

fn relay(store: &Arc<dyn AuthStore>, broker: &Broker) -> Relay {
    let outbox = Arc::<dyn AuthStore>::clone(store);
    Relay::new("auth", outbox, Box::new(broker.clone()), Arc::new(Notify::new()), Link::default())
}

async fn register_many(store: &dyn AuthStore, clock: &Arc<ManualClock>, count: usize) -> BTreeSet<String> {
    let each = |index: usize| async move { register(store, clock, &format!("user{index}")).await };
    stream::iter(0..count).map(each).buffer_unordered(16).collect().await
}

/// Rounds until one finds nothing to claim. Says how many failed: on a machine that is
/// busy a server may answer too late, and then the round is made again.
async fn drain(mut relay: Relay, clock: &ManualClock) -> usize {
    let mut failures = 0;
    loop {
        match relay.run_once().await {
            Ok(outcome) if outcome == Outcome::default() => return failures,
            Ok(_) => {}
            Err(error) => {
                failures += 1;
                // What that round may have claimed is free again once its lease is over.
                clock.advance(time::Duration::seconds(11));
                assert!(failures < 20, "round after round fails: {error:?}");
            }
        }
    }
}

pub(crate) async fn a_relay_drains_five_hundred_users(place: &Place) {
    let clock = now();
    let store = place.store(&clock).await;
    let users = register_many(&*store, &clock, 500).await;
    let broker = Broker::default();
    let failures = drain(relay(&store, &broker), &clock).await;
    assert_eq!(broker.users(), users);
    if failures == 0 {
        assert_eq!(broker.count(), 500, "one relay publishes each once");
    }
    assert_eq!(store.backlog().await.expect("an answer").depth, 0);
}

pub(crate) async fn two_relays_on_two_stores_publish_everything(place: &Place) {
    let clock = now();
    let stores = [place.store(&clock).await, place.store(&clock).await];
    let users = register_many(&*stores[0], &clock, 300).await;
    let broker = Broker { refuses: Some(7), ..Broker::default() };
    // Each ends when it finds nothing free; what the other held then is drained after.
    tokio::join!(drain(relay(&stores[0], &broker), &clock), drain(relay(&stores[1], &broker), &clock));
    drain(relay(&stores[0], &broker), &clock).await;
    assert_eq!(broker.users(), users);
    assert_eq!(stores[0].backlog().await.expect("an answer").depth, 0);
}
