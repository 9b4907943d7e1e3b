//! One broker for one test, and the steps that every test takes.

use std::sync::Arc;
use std::time::Duration;

use accrue_chassis::clock::SystemClock;
use accrue_events::broker::{
    Broker, DeadLetter, Delivery, Destination, Message, Publication, Settlement, Subscription, Topology,
    Trust, open,
};
use accrue_testkit::{TestRabbit, eventually};
use uuid::Uuid;

/// Short, so that tests of retries are; long enough to be told from at once.
pub(crate) const RETRY_DELAY: Duration = Duration::from_millis(300);
/// How long something may take that is to happen.
const LIMIT: Duration = Duration::from_secs(20);
/// How long is watched for something that is not to happen.
const QUIET: Duration = Duration::from_millis(600);

pub(crate) struct Bench {
    pub(crate) broker: Broker,
    pub(crate) url: String,
    server: Server,
}

enum Server {
    Rabbit(TestRabbit),
    File { _directory: tempfile::TempDir },
}

fn topology(prefix: &str) -> Topology {
    let mut topology = Topology::new(prefix).expect("a plain prefix");
    topology.retry_delay = RETRY_DELAY;
    topology
}

/// A broker at `url`, as another process would open it.
pub(crate) fn open_at(url: &str, prefix: &str) -> Broker {
    open_trusting(url, Trust::default(), prefix)
}

/// The same, where somebody vouches for it.
pub(crate) fn open_trusting(url: &str, trust: Trust, prefix: &str) -> Broker {
    open(url, trust, topology(prefix), Arc::new(SystemClock)).expect("a good URL")
}

impl Bench {
    pub(crate) fn embedded() -> Self {
        let directory = accrue_testkit::data_dir();
        let url = format!("sqlite:{}", directory.path().join("broker.db").display());
        Self { broker: open_at(&url, "accrue"), url, server: Server::File { _directory: directory } }
    }

    pub(crate) async fn rabbitmq() -> Option<Self> {
        let rabbit = accrue_testkit::rabbitmq().await?;
        let (broker, url) = (open_at(rabbit.url(), rabbit.prefix()), rabbit.url().to_owned());
        Some(Self { broker, url, server: Server::Rabbit(rabbit) })
    }

    /// The same broker with nothing shared, as another process has it.
    pub(crate) fn another_process(&self) -> Broker {
        open_at(&self.url, self.prefix())
    }

    pub(crate) fn prefix(&self) -> &str {
        match &self.server {
            Server::Rabbit(rabbit) => rabbit.prefix(),
            Server::File { .. } => "accrue",
        }
    }

    pub(crate) fn topology(&self) -> Topology {
        topology(self.prefix())
    }

    pub(crate) async fn finish(self) {
        if let Server::Rabbit(rabbit) = self.server {
            rabbit.delete_topology().await;
        }
    }

    /// Publishes, and every message is confirmed.
    pub(crate) async fn publish(&self, messages: &[Message]) {
        let mut publisher = self.broker.publisher(Destination::Users);
        publisher.connect().await.expect("the broker is there");
        let publications = publisher.publish(messages).await.expect("the broker is there");
        assert_eq!(publications, vec![Publication::Confirmed; messages.len()]);
    }

    pub(crate) async fn subscribe(&self, prefetch: u16) -> Box<dyn Subscription> {
        self.broker.subscriber().subscribe(prefetch).await.expect("the broker is there")
    }

    /// Waits until there are so many dead letters, and gives them.
    pub(crate) async fn dead_letters(&self, count: usize) -> Vec<DeadLetter> {
        let dead_letters = self.broker.dead_letters();
        eventually("so many dead letters", async || {
            let letters = dead_letters.list(1_000).await.expect("the broker is there");
            assert!(letters.len() <= count, "more dead letters than there may be");
            (letters.len() == count).then_some(letters)
        })
        .await
    }

    /// Subscribes and finds nothing but what it publishes itself, and settles that.
    pub(crate) async fn assert_drained(&self) {
        let last = message(u128::MAX);
        self.publish(std::slice::from_ref(&last)).await;
        let mut subscription = self.subscribe(10).await;
        let delivery = receive(&mut subscription).await;
        assert_eq!(delivery.message_id, Some(last.id.to_string()), "something was left in the queue");
        settle(&mut subscription, &[(&delivery, Settlement::Ack)]).await;
        assert_nothing_comes(&mut subscription).await;
    }
}

/// Message number `n`; its body says so too.
pub(crate) fn message(n: u128) -> Message {
    Message {
        id: Uuid::from_u128(n),
        routing_key: "user.registered".to_owned(),
        content_type: "application/cloudevents+json".to_owned(),
        body: format!("body {n}").into_bytes(),
        traceparent: None,
    }
}

pub(crate) fn messages(numbers: std::ops::Range<u128>) -> Vec<Message> {
    numbers.map(message).collect()
}

/// The number of a message that [`message`] made.
pub(crate) fn number(delivery: &Delivery) -> u128 {
    let id = delivery.message_id.as_deref().expect("our messages have ids");
    Uuid::parse_str(id).expect("ours are UUIDs").as_u128()
}

/// The next delivery, which has to come.
pub(crate) async fn receive(subscription: &mut Box<dyn Subscription>) -> Delivery {
    tokio::time::timeout(LIMIT, subscription.next())
        .await
        .expect("a delivery in time")
        .expect("the subscription holds")
}

pub(crate) async fn receive_many(subscription: &mut Box<dyn Subscription>, count: usize) -> Vec<Delivery> {
    let mut deliveries = Vec::new();
    while deliveries.len() < count {
        deliveries.push(receive(subscription).await);
    }
    deliveries
}

pub(crate) async fn settle(
    subscription: &mut Box<dyn Subscription>,
    settlements: &[(&Delivery, Settlement)],
) {
    let settlements = settlements.iter().map(|(delivery, settlement)| (delivery.tag, *settlement)).collect();
    subscription.settle(settlements).await.expect("the subscription holds");
}

pub(crate) async fn assert_nothing_comes(subscription: &mut Box<dyn Subscription>) {
    let came = tokio::time::timeout(QUIET, subscription.next()).await;
    assert!(came.is_err(), "nothing was to come, and there came {came:?}");
}

/// The numbers of deliveries, sorted.
pub(crate) fn numbers(deliveries: &[Delivery]) -> Vec<u128> {
    let mut numbers: Vec<_> = deliveries.iter().map(number).collect();
    numbers.sort_unstable();
    numbers
}
