//! Publishes windows of messages on a connection of its own.

use std::sync::Arc;

use async_trait::async_trait;

use super::super::{BrokerError, Destination, Message, Place, Publication, Publisher};
use super::SYSTEM;
use super::confirms::{ConfirmedChannel, Outgoing};
use super::connection::Endpoint;
use super::headers;

/// The publisher of one task. Whatever goes wrong, it drops the connection and
/// builds the next one from nothing, topology included.
pub(super) struct RabbitPublisher {
    endpoint: Arc<Endpoint>,
    to: Destination,
    live: Option<ConfirmedChannel>,
}

impl RabbitPublisher {
    pub(super) fn new(endpoint: Arc<Endpoint>, to: Destination) -> Self {
        Self { endpoint, to, live: None }
    }

    fn outgoing<'a>(&self, message: &'a Message) -> Outgoing<'a> {
        Outgoing {
            exchange: self.endpoint.topology.exchange(self.to),
            is_mandatory: self.to.is_mandatory(),
            routing_key: message.routing_key.clone(),
            body: &message.body,
            properties: headers::of_message(message),
        }
    }
}

#[async_trait]
impl Publisher for RabbitPublisher {
    async fn connect(&mut self) -> Result<(), BrokerError> {
        if self.live.as_ref().is_some_and(ConfirmedChannel::is_healthy) {
            return Ok(());
        }
        self.live = None;
        self.live = Some(ConfirmedChannel::open_to(&self.endpoint, self.to).await?);
        Ok(())
    }

    async fn publish(&mut self, window: &[Message]) -> Result<Vec<Publication>, BrokerError> {
        if window.is_empty() {
            return Ok(Vec::new());
        }
        self.connect().await?;
        // Taken out first: when this call fails or is dropped half-way, confirms of
        // this window could be taken for those of the next.
        let Some(live) = self.live.take() else { return Err(BrokerError::Ended("it was not connected")) };
        let window = live.publish(window.iter().map(|message| self.outgoing(message)).collect()).await?;
        if window.is_sound {
            self.live = Some(live);
        }
        Ok(window.publications)
    }

    fn place(&self) -> Place {
        Place { system: SYSTEM, name: self.endpoint.topology.exchange(self.to) }
    }
}
