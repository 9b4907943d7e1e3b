//! A walk through the dead-letter queue: what it meets is held, and put back at its end.

use std::fmt::Write as _;
use std::time::Duration;

use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicGetOptions, BasicNackOptions};
use lapin::{Channel, Connection};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use super::super::{BrokerError, DeadLetter};
use super::connection::{Endpoint, call, close, within};
use super::headers;

/// How long it may take to put everything back: a hundred thousand letters are one call.
const PUT_BACK_LIMIT: Duration = Duration::from_secs(30);

/// A walk through the queue: each letter is held unacknowledged until the walk ends,
/// in order or by the death of its connection, and is then in the queue again.
pub(super) struct Walk {
    queue: String,
    connection: Connection,
    channel: Channel,
    patience: Duration,
    until: Instant,
    /// Letters that were there at the first step and were not met yet. What comes in
    /// later is left alone: a letter that is sent back and dies again would be met for ever.
    ahead: Option<u32>,
}

impl Walk {
    pub(super) async fn begin(endpoint: &Endpoint, patience: Duration) -> Result<Self, BrokerError> {
        let connection = endpoint.connect_and_declare("dead letters").await?;
        let channel = call("a channel", connection.create_channel()).await?;
        let queue = endpoint.topology.dead_letter_queue();
        Ok(Self { queue, connection, channel, patience, until: Instant::now() + patience, ahead: None })
    }

    pub(super) fn is_too_long(&self) -> bool {
        Instant::now() > self.until
    }

    /// The next letter of those that were there when the walk began.
    pub(super) async fn next(&mut self) -> Result<Option<Delivery>, BrokerError> {
        if self.ahead == Some(0) {
            return Ok(None);
        }
        let getting = self.channel.basic_get(self.queue.as_str().into(), BasicGetOptions { no_ack: false });
        let Some(message) = call("a dead letter", getting).await? else { return Ok(None) };
        // The broker says with each letter how many are behind it.
        self.ahead = Some(self.ahead.map_or(message.message_count, |ahead| ahead - 1));
        Ok(Some(message.delivery))
    }

    /// Walks on until that letter.
    pub(super) async fn find(&mut self, id: &str) -> Result<Option<Delivery>, BrokerError> {
        while let Some(letter) = self.next().await? {
            if letter_id(&letter) == id {
                return Ok(Some(letter));
            }
            if self.is_too_long() {
                let what = "the search for a dead letter";
                return Err(BrokerError::Timeout { what, limit: self.patience });
            }
        }
        Ok(None)
    }

    pub(super) async fn remove(&self, letter: &Delivery) -> Result<(), BrokerError> {
        let acking = self.channel.basic_ack(letter.delivery_tag, BasicAckOptions { multiple: false });
        call("the removal of a dead letter", acking).await
    }

    /// Puts back what is held.
    pub(super) async fn end(self) -> Result<(), BrokerError> {
        // Tag 0 stands for everything delivered so far.
        let all = BasicNackOptions { multiple: true, requeue: true };
        call("to put dead letters back", self.channel.basic_nack(0, all)).await?;
        let closing = self.channel.close(200, "done".into());
        within("the end of a channel", PUT_BACK_LIMIT, closing).await?;
        close(self.connection).await;
        Ok(())
    }
}

pub(super) fn describe(letter: &Delivery) -> DeadLetter {
    let death = headers::last_death(&letter.properties);
    DeadLetter {
        id: letter_id(letter),
        routing_key: routing_key(letter),
        reason: death.reason.unwrap_or_else(|| "unknown".to_owned()),
        dead_since: death.at,
        attempts: headers::attempts(&letter.properties),
        content_type: letter.properties.content_type().as_ref().map(ToString::to_string),
        traceparent: headers::traceparent(&letter.properties),
        body: letter.data.clone(),
    }
}

pub(super) fn routing_key(letter: &Delivery) -> String {
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
