//! The RabbitMQ adapter. Nothing outside this directory knows lapin.

mod confirms;
mod connection;
mod dead_letters;
mod headers;
mod publisher;
mod socket;
mod subscriber;
mod topology;
mod unsettled;
mod walk;

use std::sync::Arc;

use async_trait::async_trait;
use lapin::Connection;

use self::connection::Endpoint;
use self::dead_letters::RabbitDeadLetters;
use self::publisher::RabbitPublisher;
use self::subscriber::RabbitSubscriber;
use super::open::Adapter;
use super::{
    BrokerError, DeadLetters, Depth, Destination, OpenError, Publisher, Subscriber, Tended, Topology, Trust,
};

/// What RabbitMQ is called in traces.
const SYSTEM: &str = "rabbitmq";

/// One RabbitMQ broker or cluster. Every part of it has a connection of its own: an
/// alarm on the broker blocks a connection that publishes, acks included, and must
/// not block one that only consumes.
pub(super) struct RabbitBroker {
    endpoint: Arc<Endpoint>,
}

impl RabbitBroker {
    pub(super) fn new(url: &str, trust: Trust, topology: Topology) -> Result<Self, OpenError> {
        Ok(Self { endpoint: Arc::new(Endpoint::parse(url, trust, topology)?) })
    }

    async fn count(&self, connection: Connection) -> Result<Depth, BrokerError> {
        let depth = topology::depth(&connection, &self.endpoint.topology).await;
        connection::close(connection).await;
        depth
    }
}

#[async_trait]
impl Adapter for RabbitBroker {
    fn publisher(&self, to: Destination) -> Box<dyn Publisher> {
        Box::new(RabbitPublisher::new(Arc::clone(&self.endpoint), to))
    }

    fn subscriber(&self) -> Arc<dyn Subscriber> {
        Arc::new(RabbitSubscriber::new(Arc::clone(&self.endpoint)))
    }

    fn dead_letters(&self) -> Arc<dyn DeadLetters> {
        Arc::new(RabbitDeadLetters::new(Arc::clone(&self.endpoint)))
    }

    async fn depth(&self) -> Result<Depth, BrokerError> {
        self.count(self.endpoint.connect("depth").await?).await
    }

    async fn tend(&self) -> Result<Tended, BrokerError> {
        let connection = self.endpoint.connect("tending").await?;
        let declared = topology::declare(&connection, &self.endpoint.topology).await;
        // Counted in any case: who may not declare still sees that letters are dead.
        let counted = self.count(connection).await;
        match declared {
            Err(error) if !matches!(error, BrokerError::Refused { .. }) => Err(error),
            declared => Ok(Tended { depth: counted?, refused: declared.err() }),
        }
    }
}
