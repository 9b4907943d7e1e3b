//! Brokers: what a publisher, a subscriber and the dead-letter queue must do.
//!
//! Two adapters keep these promises, `rabbitmq` and `embedded`; both pass the
//! same contract suite.

mod dead_letters;
mod destination;
mod embedded;
mod open;
mod rabbitmq;
mod selection;
mod topology;

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use dead_letters::{DeadLetter, DeadLetters, LetterSummary};
pub use destination::Destination;
pub use open::{Broker, Depth, NoCertificate, OpenError, Tended, Trust, open};
pub use selection::{FailedRedrive, LetterCount, Look, Redrive, Redriven, Selection, Survey};
pub use topology::{DELIVERY_LIMIT, InvalidPrefix, MAX_LENGTH, Topology};

/// A message on its way out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// The event's id, the same however often it is published.
    pub id: Uuid,
    /// Decides which queues get it.
    pub routing_key: String,
    /// The form of `body`.
    pub content_type: String,
    /// The event.
    pub body: Vec<u8>,
    /// The W3C header of the request that led to it.
    pub traceparent: Option<String>,
}

/// What became of one published message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Publication {
    /// The broker has it on disk, in every queue that is to get it: at least one where the
    /// destination asks for that.
    Confirmed,
    /// It may or may not have arrived: refused, returned, or no answer in time.
    Unconfirmed,
}

/// A place of a broker, as traces name it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// Which broker, such as `rabbitmq`.
    pub system: &'static str,
    /// The exchange or queue there.
    pub name: String,
}

/// Publishes messages and learns what became of them. One task owns a publisher:
/// on RabbitMQ, confirms of a channel used by two tasks cannot be told apart.
#[async_trait]
pub trait Publisher: Send + 'static {
    /// Makes sure that there is a connection and that what it publishes to is declared.
    /// Cheap when all is well, so it also serves to notice that it is not.
    ///
    /// # Errors
    /// The broker is away, or refuses what is declared. Connect anew.
    async fn connect(&mut self) -> Result<(), BrokerError>;

    /// Publishes a window of messages and waits for every confirm, each message at
    /// its index in the result. Whatever did not surely arrive is
    /// [`Publication::Unconfirmed`]. After an error nothing of the window may be
    /// taken as published, and the next call connects anew.
    ///
    /// # Errors
    /// The connection broke, or the confirms did not come in time.
    async fn publish(&mut self, window: &[Message]) -> Result<Vec<Publication>, BrokerError>;

    /// Where it publishes to, for traces; nowhere that they could name, unless it says so.
    fn place(&self) -> Place {
        Place::default()
    }
}

/// Opens subscriptions to one queue.
#[async_trait]
pub trait Subscriber: Send + Sync + 'static {
    /// Connects, declares the topology, and begins to receive, with at most
    /// `prefetch` deliveries unsettled.
    ///
    /// # Errors
    /// The broker is away, or refuses what is declared.
    async fn subscribe(&self, prefetch: u16) -> Result<Box<dyn Subscription>, BrokerError>;

    /// The queue, for traces; none that they could name, unless it says so.
    fn place(&self) -> Place {
        Place::default()
    }
}

/// A stream of deliveries, until it breaks. Whatever was not settled by then is
/// delivered again, to whoever subscribes next.
#[async_trait]
pub trait Subscription: Send {
    /// The next delivery. Safe to drop while it waits.
    ///
    /// # Errors
    /// The subscription is broken: subscribe anew.
    async fn next(&mut self) -> Result<Delivery, BrokerError>;

    /// Settles deliveries of this subscription, in any order and any grouping.
    ///
    /// # Errors
    /// The subscription is broken. What was not settled comes again.
    async fn settle(&mut self, settlements: Vec<(u64, Settlement)>) -> Result<(), BrokerError>;

    /// Allows `prefetch` unsettled deliveries from now on, besides those that are
    /// unsettled already.
    ///
    /// # Errors
    /// The subscription is broken: subscribe anew.
    async fn set_prefetch(&mut self, prefetch: u16) -> Result<(), BrokerError>;
}

/// A message as it arrives.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// Names this delivery within its subscription; they grow.
    pub tag: u64,
    /// The event's id as the producer wrote it; none from a foreign producer.
    pub message_id: Option<String>,
    /// The event.
    pub body: Vec<u8>,
    /// How often it was sent to the retry queue before.
    pub attempts: u32,
    /// The W3C header of its publishing, or else of the request that led to it.
    pub traceparent: Option<String>,
}

/// What is to become of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settlement {
    /// It is applied, durably, or needs no applying. It is gone from the queue.
    Ack,
    /// It can never be applied: to the dead-letter queue at once.
    Reject,
    /// It failed for a reason that may pass: once more after the retry delay, or to
    /// the dead-letter queue when it has failed [`MAX_ATTEMPTS`] times.
    Retry,
}

/// After so many failed attempts a message goes to the dead-letter queue.
pub const MAX_ATTEMPTS: u32 = 10;

/// The broker cannot be used right now. Whoever meets it tries again with a
/// backoff, without end.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// No connection, or it broke. The source may hold an address.
    #[error("the broker cannot be reached")]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No answer within the time given.
    #[error("the broker did not answer {what} within {} s", limit.as_secs())]
    Timeout {
        /// What was asked.
        what: &'static str,
        /// How long it was waited for.
        limit: Duration,
    },
    /// It answered, and did not do it: a queue is full, gone or declared otherwise,
    /// or the user lacks a right.
    #[error("the broker refused {what}")]
    Refused {
        /// What was asked.
        what: &'static str,
        /// Its answer, if it gave a reason.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// The queue is gone, or another consumer took it over.
    #[error("the subscription ended: {0}")]
    Ended(&'static str),
}
