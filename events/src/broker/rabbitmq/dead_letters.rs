//! The dead-letter queue, looked at without taking anything out of it.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicGetOptions, BasicNackOptions};
use lapin::{Channel, Connection};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use super::super::{BrokerError, DeadLetter, DeadLetters, Publication};
use super::confirms::{ConfirmedChannel, Outgoing};
use super::connection::{Endpoint, call, close};
use super::headers;

/// How long one look may walk through the queue; past it a list tells of what it has
/// seen, and a search gives up.
const WALK_LIMIT: Duration = Duration::from_secs(20);

/// Dead letters of one broker. Each call has a connection of its own. While one call
/// walks through the queue, another, or another process, does not see the letters
/// that it holds.
pub(super) struct RabbitDeadLetters {
    endpoint: Arc<Endpoint>,
    /// One walk at a time, within this process at least.
    walking: tokio::sync::Mutex<()>,
}

impl RabbitDeadLetters {
    pub(super) fn new(endpoint: Arc<Endpoint>) -> Self {
        Self { endpoint, walking: tokio::sync::Mutex::new(()) }
    }

    /// Publishes a letter to the main queue, with a clean record.
    async fn send_back(&self, letter: &Delivery) -> Result<(), BrokerError> {
        // On another connection than the letter's: were publishing blocked by an
        // alarm, putting the letter back would be too.
        let channel = ConfirmedChannel::open(&self.endpoint, "redrive").await?;
        let outgoing = Outgoing {
            exchange: String::new(),
            is_mandatory: true,
            routing_key: self.endpoint.topology.queue(),
            body: &letter.data,
            properties: headers::to_republish(&letter.properties, 0, &routing_key(letter)),
        };
        match channel.publish(vec![outgoing]).await?.publications.as_slice() {
            [Publication::Confirmed] => Ok(()),
            _ => Err(BrokerError::Refused { what: "a message for the main queue", source: None }),
        }
    }
}

#[async_trait]
impl DeadLetters for RabbitDeadLetters {
    async fn list(&self, limit: usize) -> Result<Vec<DeadLetter>, BrokerError> {
        let _walking = self.walking.lock().await;
        let walk = Walk::begin(&self.endpoint).await?;
        let mut letters = Vec::new();
        // To the end of the queue: what was put back last time may stand anywhere.
        while !walk.is_too_long()
            && let Some(letter) = walk.next().await?
        {
            letters.push(describe(letter));
            if letters.len() > limit.saturating_mul(2) {
                keep_oldest(&mut letters, limit);
            }
        }
        keep_oldest(&mut letters, limit);
        walk.end().await?;
        Ok(letters)
    }

    async fn redrive(&self, id: &str) -> Result<bool, BrokerError> {
        let _walking = self.walking.lock().await;
        let walk = Walk::begin(&self.endpoint).await?;
        let Some(letter) = walk.find(id).await? else { return walk.end().await.map(|()| false) };
        // When this fails the walk is dropped, and the letter goes back with the rest.
        self.send_back(&letter).await?;
        walk.remove(&letter).await?;
        walk.end().await?;
        Ok(true)
    }

    async fn drop_letter(&self, id: &str) -> Result<bool, BrokerError> {
        let _walking = self.walking.lock().await;
        let walk = Walk::begin(&self.endpoint).await?;
        let Some(letter) = walk.find(id).await? else { return walk.end().await.map(|()| false) };
        walk.remove(&letter).await?;
        walk.end().await?;
        Ok(true)
    }
}

/// A walk through the queue: each letter is held unacknowledged until the walk ends,
/// in order or by the death of its connection, and is then in the queue again.
struct Walk {
    queue: String,
    connection: Connection,
    channel: Channel,
    until: Instant,
}

impl Walk {
    async fn begin(endpoint: &Endpoint) -> Result<Self, BrokerError> {
        let connection = endpoint.connect_and_declare("dead letters").await?;
        let channel = call("a channel", connection.create_channel()).await?;
        let queue = endpoint.topology.dead_letter_queue();
        Ok(Self { queue, connection, channel, until: Instant::now() + WALK_LIMIT })
    }

    fn is_too_long(&self) -> bool {
        Instant::now() > self.until
    }

    async fn next(&self) -> Result<Option<Delivery>, BrokerError> {
        let getting = self.channel.basic_get(self.queue.as_str().into(), BasicGetOptions { no_ack: false });
        Ok(call("a dead letter", getting).await?.map(|message| message.delivery))
    }

    async fn find(&self, id: &str) -> Result<Option<Delivery>, BrokerError> {
        while let Some(letter) = self.next().await? {
            if letter_id(&letter) == id {
                return Ok(Some(letter));
            }
            if self.is_too_long() {
                return Err(BrokerError::Timeout { what: "the search for a dead letter", limit: WALK_LIMIT });
            }
        }
        Ok(None)
    }

    async fn remove(&self, letter: &Delivery) -> Result<(), BrokerError> {
        let acking = self.channel.basic_ack(letter.delivery_tag, BasicAckOptions { multiple: false });
        call("the removal of a dead letter", acking).await
    }

    /// Puts back what is held.
    async fn end(self) -> Result<(), BrokerError> {
        // Tag 0 stands for everything delivered so far.
        let all = BasicNackOptions { multiple: true, requeue: true };
        call("to put dead letters back", self.channel.basic_nack(0, all)).await?;
        call("the end of a channel", self.channel.close(200, "done".into())).await?;
        close(self.connection).await;
        Ok(())
    }
}

fn describe(letter: Delivery) -> DeadLetter {
    let death = headers::last_death(&letter.properties);
    DeadLetter {
        id: letter_id(&letter),
        routing_key: routing_key(&letter),
        reason: death.reason.unwrap_or_else(|| "unknown".to_owned()),
        dead_since: death.at,
        body: letter.data,
    }
}

/// Not in the queue's order, which changes with every look: RabbitMQ puts back more
/// than 32 letters in an order of its own. It tells the second of a death; within
/// one it is the ids that order, ours by the time of the event.
fn keep_oldest(letters: &mut Vec<DeadLetter>, limit: usize) {
    letters.sort_by(|a, b| (a.dead_since, &a.id).cmp(&(b.dead_since, &b.id)));
    letters.truncate(limit);
}

fn routing_key(letter: &Delivery) -> String {
    headers::noted_routing_key(&letter.properties)
        .or_else(|| headers::last_death(&letter.properties).routing_key)
        .unwrap_or_else(|| letter.routing_key.to_string())
}

fn letter_id(letter: &Delivery) -> String {
    if let Some(id) = letter.properties.message_id() {
        return id.to_string();
    }
    Sha256::digest(&letter.data).iter().fold(String::with_capacity(64), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
