//! What the relay promises, against an outbox in memory and a broker by script.

use std::collections::VecDeque;
use std::sync::Mutex;

use async_trait::async_trait;
use uuid::Uuid;

use super::*;
use crate::broker::Message;
use crate::outbox::Backlog;

#[derive(Default)]
struct Memory {
    waiting: Mutex<Vec<Entry>>,
    claims: Mutex<usize>,
    releases: Mutex<usize>,
}

impl Memory {
    fn holding(count: u128) -> Arc<Self> {
        let entry = |id| Entry {
            owner: format!("u{id}"),
            message: Message {
                id: Uuid::from_u128(id),
                routing_key: "user.registered".to_owned(),
                content_type: String::new(),
                body: Vec::new(),
                traceparent: None,
            },
        };
        Arc::new(Self { waiting: Mutex::new((0..count).map(entry).collect()), ..Self::default() })
    }

    fn left(&self) -> Vec<u128> {
        self.waiting.lock().unwrap().iter().map(|entry| entry.message.id.as_u128()).collect()
    }
}

#[async_trait]
impl Outbox for Memory {
    async fn claim(&self, limit: usize, _: Duration) -> Result<Claim, OutboxError> {
        *self.claims.lock().unwrap() += 1;
        let entries = self.waiting.lock().unwrap().iter().take(limit).cloned().collect();
        Ok(Claim { token: Uuid::from_u128(1), entries })
    }

    async fn mark_published(&self, _: &Claim, confirmed: &[Entry]) -> Result<(), OutboxError> {
        let is_confirmed = |entry: &Entry| confirmed.iter().any(|other| other.message.id == entry.message.id);
        self.waiting.lock().unwrap().retain(|entry| !is_confirmed(entry));
        Ok(())
    }

    async fn release(&self, _: &Claim) -> Result<(), OutboxError> {
        *self.releases.lock().unwrap() += 1;
        Ok(())
    }

    async fn backlog(&self) -> Result<Backlog, OutboxError> {
        Ok(Backlog::default())
    }
}

/// Answers each window with the next line of the script; confirms all when it is out.
#[derive(Default)]
struct Script {
    refuses_connection: bool,
    answers: VecDeque<Result<Vec<Publication>, BrokerError>>,
}

#[async_trait]
impl Publisher for Script {
    async fn connect(&mut self) -> Result<(), BrokerError> {
        if self.refuses_connection { Err(BrokerError::Ended("on purpose")) } else { Ok(()) }
    }

    async fn publish(&mut self, window: &[Message]) -> Result<Vec<Publication>, BrokerError> {
        self.answers.pop_front().unwrap_or_else(|| Ok(vec![Publication::Confirmed; window.len()]))
    }
}

fn relay(outbox: &Arc<Memory>, script: Script) -> (Relay, Link) {
    let link = Link::default();
    let outbox: Arc<dyn Outbox> = Arc::<Memory>::clone(outbox);
    (Relay::new("test", outbox, Box::new(script), Arc::new(Notify::new()), link.clone()), link)
}

#[tokio::test]
async fn what_was_confirmed_is_marked() {
    let outbox = Memory::holding(3);
    let (mut relay, link) = relay(&outbox, Script::default());
    assert_eq!(relay.run_once().await.expect("a round"), Outcome { claimed: 3, published: 3 });
    assert!(outbox.left().is_empty());
    assert_eq!(link.state(), Ok(()));
    assert_eq!(relay.run_once().await.expect("an idle round"), Outcome::default());
}

#[tokio::test]
async fn what_was_not_confirmed_stays_and_is_published_again() {
    use Publication::{Confirmed, Unconfirmed};
    let outbox = Memory::holding(3);
    let answers = VecDeque::from([Ok(vec![Confirmed, Unconfirmed, Confirmed])]);
    let (mut relay, _) = relay(&outbox, Script { answers, ..Script::default() });
    assert_eq!(relay.run_once().await.expect("a round"), Outcome { claimed: 3, published: 2 });
    assert_eq!(outbox.left(), [1]);
    assert_eq!(*outbox.releases.lock().unwrap(), 1);
    assert_eq!(relay.run_once().await.expect("a round"), Outcome { claimed: 1, published: 1 });
    assert!(outbox.left().is_empty());
}

#[tokio::test]
async fn a_broker_that_fails_half_way_marks_nothing() {
    let outbox = Memory::holding(2);
    let answers = VecDeque::from([Err(BrokerError::Ended("on purpose"))]);
    let (mut relay, link) = relay(&outbox, Script { answers, ..Script::default() });
    relay.run_once().await.expect_err("the broker failed");
    assert_eq!(outbox.left(), [0, 1]);
    assert_eq!(*outbox.releases.lock().unwrap(), 1);
    assert!(link.state().is_err());
}

#[tokio::test]
async fn without_a_broker_nothing_is_claimed() {
    let outbox = Memory::holding(2);
    let (mut relay, _) = relay(&outbox, Script { refuses_connection: true, ..Script::default() });
    relay.run_once().await.expect_err("no connection");
    assert_eq!(*outbox.claims.lock().unwrap(), 0);
}

#[tokio::test]
async fn a_running_relay_drains_what_waits_and_stops_when_told() {
    let outbox = Memory::holding(300);
    let (relay, _) = relay(&outbox, Script::default());
    let stop = CancellationToken::new();
    let running = relay.run(stop.clone());
    let drained = async {
        while !outbox.left().is_empty() {
            tokio::task::yield_now().await;
        }
        stop.cancel();
    };
    let both = async { tokio::join!(running, drained) };
    tokio::time::timeout(Duration::from_secs(10), both).await.expect("drained and stopped");
    assert!(outbox.left().is_empty());
}
