//! Receives deliveries on a connection of its own and settles them.

use std::collections::VecDeque;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::StreamExt as _;
use lapin::options::{
    BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicQosOptions, BasicRejectOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, Consumer};

use super::super::{BrokerError, Delivery, Place, Publication, Settlement, Subscriber, Subscription};
use super::SYSTEM;
use super::confirms::{ConfirmedChannel, Outgoing};
use super::connection::{Endpoint, call};
use super::headers;
use super::unsettled::{Retry, Unsettled};

/// Opens subscriptions to the main queue.
pub(super) struct RabbitSubscriber {
    endpoint: Arc<Endpoint>,
}

impl RabbitSubscriber {
    pub(super) fn new(endpoint: Arc<Endpoint>) -> Self {
        Self { endpoint }
    }
}

#[async_trait]
impl Subscriber for RabbitSubscriber {
    async fn subscribe(&self, prefetch: u16) -> Result<Box<dyn Subscription>, BrokerError> {
        let connection = self.endpoint.connect_and_declare("subscriber").await?;
        let channel = call("a channel", connection.create_channel()).await?;
        let mut subscription = RabbitSubscription {
            endpoint: Arc::clone(&self.endpoint),
            _connection: connection,
            channel,
            consumers: VecDeque::new(),
            prefetch,
            unsettled: Unsettled::default(),
            retries: None,
            is_broken: false,
        };
        subscription.consume(prefetch).await?;
        Ok(Box::new(subscription))
    }

    fn place(&self) -> Place {
        Place { system: SYSTEM, name: self.endpoint.topology.queue() }
    }
}

struct RabbitSubscription {
    endpoint: Arc<Endpoint>,
    /// Closed when it is dropped; the broker then delivers again what is unsettled.
    _connection: Connection,
    channel: Channel,
    /// The last is the one that receives; those before it were cancelled and still
    /// hold deliveries that had arrived.
    consumers: VecDeque<Consumer>,
    prefetch: u16,
    unsettled: Unsettled<Kept>,
    /// Where retries are published: another connection, since one that publishes is
    /// blocked by an alarm on the broker, acks and all. Opened when it is needed.
    retries: Option<ConfirmedChannel>,
    is_broken: bool,
}

/// What it takes to publish a delivery once more.
#[derive(Debug)]
struct Kept {
    routing_key: String,
    body: Vec<u8>,
    properties: BasicProperties,
}

impl RabbitSubscription {
    async fn consume(&mut self, prefetch: u16) -> Result<(), BrokerError> {
        // Before consuming: lapin buffers whatever the broker sends. Per consumer,
        // since quorum queues know no other.
        let qos = self.channel.basic_qos(prefetch, BasicQosOptions { global: false });
        call("a prefetch limit", qos).await?;
        let queue = self.endpoint.topology.queue();
        let options = BasicConsumeOptions::default();
        let consuming = self.channel.basic_consume(queue.into(), "".into(), options, FieldTable::default());
        self.consumers.push_back(call("to consume", consuming).await?);
        self.prefetch = prefetch;
        Ok(())
    }

    /// The next message, from consumers that were cancelled first.
    async fn receive(&mut self) -> Result<lapin::message::Delivery, BrokerError> {
        while let Some(consumer) = self.consumers.front_mut() {
            match consumer.next().await {
                Some(Ok(delivery)) => return Ok(delivery),
                Some(Err(error)) => return Err(BrokerError::Unreachable(Box::new(error))),
                None if self.consumers.len() > 1 => drop(self.consumers.pop_front()),
                None => break,
            }
        }
        Err(BrokerError::Ended("the queue or the channel is gone"))
    }

    async fn try_settle(&mut self, settlements: Vec<(u64, Settlement)>) -> Result<(), BrokerError> {
        let plan = self.unsettled.settle(settlements);
        for tag in plan.reject {
            let rejecting = self.channel.basic_reject(tag, BasicRejectOptions { requeue: false });
            call("a rejection", rejecting).await?;
        }
        if let Some(tag) = plan.ack_through {
            self.ack(tag, true).await?;
        }
        for tag in plan.ack {
            self.ack(tag, false).await?;
        }
        if plan.retry.is_empty() { Ok(()) } else { self.retry(plan.retry).await }
    }

    async fn ack(&self, tag: u64, multiple: bool) -> Result<(), BrokerError> {
        call("an acknowledgement", self.channel.basic_ack(tag, BasicAckOptions { multiple })).await
    }

    /// Publishes to the retry queue, and acknowledges what is confirmed there. Dying
    /// in between, a message is in both queues: delivered twice, never lost.
    async fn retry(&mut self, retries: Vec<Retry<Kept>>) -> Result<(), BrokerError> {
        let channel = match self.retries.take().filter(ConfirmedChannel::is_healthy) {
            Some(channel) => channel,
            None => ConfirmedChannel::open(&self.endpoint, "retries").await?,
        };
        let queue = self.endpoint.topology.retry_queue();
        let outgoing = retries.iter().map(|retry| Outgoing {
            exchange: String::new(),
            is_mandatory: true,
            routing_key: queue.clone(),
            body: &retry.kept.body,
            properties: headers::to_republish(
                &retry.kept.properties,
                retry.attempts,
                &retry.kept.routing_key,
            ),
        });
        let window = channel.publish(outgoing.collect()).await?;
        for (retry, publication) in retries.iter().zip(&window.publications) {
            if *publication == Publication::Confirmed {
                self.ack(retry.tag, false).await?;
            }
        }
        if window.publications.contains(&Publication::Unconfirmed) {
            return Err(BrokerError::Refused { what: "a message for the retry queue", source: None });
        }
        if window.is_sound {
            self.retries = Some(channel);
        }
        Ok(())
    }
}

#[async_trait]
impl Subscription for RabbitSubscription {
    async fn next(&mut self) -> Result<Delivery, BrokerError> {
        if self.is_broken {
            return Err(BrokerError::Ended("it broke before"));
        }
        let message = self.receive().await.inspect_err(|_| self.is_broken = true)?;
        let properties = message.properties;
        let delivery = Delivery {
            tag: message.delivery_tag,
            message_id: properties.message_id().as_ref().map(ToString::to_string),
            body: message.data,
            attempts: headers::attempts(&properties),
            traceparent: headers::traceparent(&properties),
        };
        let routing_key =
            headers::noted_routing_key(&properties).unwrap_or_else(|| message.routing_key.to_string());
        let kept = Kept { routing_key, body: delivery.body.clone(), properties };
        self.unsettled.deliver(delivery.tag, delivery.attempts, kept);
        Ok(delivery)
    }

    async fn settle(&mut self, settlements: Vec<(u64, Settlement)>) -> Result<(), BrokerError> {
        if self.is_broken {
            return Err(BrokerError::Ended("it broke before"));
        }
        // Broken until it is done: dropped half-way, it has forgotten some tags.
        self.is_broken = true;
        self.try_settle(settlements).await?;
        self.is_broken = false;
        Ok(())
    }

    /// RabbitMQ keeps the limit that a consumer began with, so the consumer is
    /// cancelled and another one takes its place on the same channel.
    async fn set_prefetch(&mut self, prefetch: u16) -> Result<(), BrokerError> {
        if self.is_broken {
            return Err(BrokerError::Ended("it broke before"));
        }
        if prefetch == self.prefetch {
            return Ok(());
        }
        self.is_broken = true;
        if let Some(consumer) = self.consumers.back() {
            let cancelling = self.channel.basic_cancel(consumer.tag(), BasicCancelOptions::default());
            call("the end of a consumer", cancelling).await?;
        }
        self.consume(prefetch).await?;
        self.is_broken = false;
        Ok(())
    }
}
