//! The embedded broker: the same promises as RabbitMQ's, kept by a SQLite file.
//!
//! A publish is confirmed when it is committed, a delivery is a row that a
//! subscription holds and deletes when it is acked, a dead letter is a row. Any
//! number of processes of one machine may open the file. There is one queue, that of
//! users, and nobody can bind another; so what is published on accounts is confirmed and
//! gone, as on an exchange of RabbitMQ's without queues. The topology's prefix says nothing
//! here, since the file keeps installations apart.

mod dead_letters;
mod holding;
mod owner;
mod publisher;
mod store;
mod subscriber;

use std::sync::Arc;

use accrue_chassis::clock::SharedClock;
use async_trait::async_trait;

use self::dead_letters::EmbeddedDeadLetters;
use self::publisher::EmbeddedPublisher;
use self::store::Store;
use self::subscriber::EmbeddedSubscriber;
use super::open::Adapter;
use super::{BrokerError, DeadLetters, Depth, Destination, OpenError, Publisher, Subscriber, Topology};

/// What this broker is called in traces.
const SYSTEM: &str = "accrue";

/// A broker in a file.
pub(super) struct EmbeddedBroker(Arc<Store>);

impl EmbeddedBroker {
    pub(super) fn new(url: &str, topology: &Topology, clock: SharedClock) -> Result<Self, OpenError> {
        Ok(Self(Arc::new(Store::parse(url, topology, clock)?)))
    }
}

#[async_trait]
impl Adapter for EmbeddedBroker {
    fn publisher(&self, to: Destination) -> Box<dyn Publisher> {
        Box::new(EmbeddedPublisher::new(Arc::clone(&self.0), to))
    }

    fn subscriber(&self) -> Arc<dyn Subscriber> {
        Arc::new(EmbeddedSubscriber::new(Arc::clone(&self.0)))
    }

    fn dead_letters(&self) -> Arc<dyn DeadLetters> {
        Arc::new(EmbeddedDeadLetters::new(Arc::clone(&self.0)))
    }

    async fn depth(&self) -> Result<Depth, BrokerError> {
        self.0.depth().await
    }
}
