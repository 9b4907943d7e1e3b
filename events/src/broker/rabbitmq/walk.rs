//! A walk through the dead-letter queue: what it meets is held, and put back at its end.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::time::Duration;

use futures_util::StreamExt as _;
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions,
    QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{Channel, Connection};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use super::super::{BrokerError, DeadLetter};
use super::connection::{Endpoint, call, close, failed, within};
use super::headers;

/// How long it may take to put everything back: a hundred thousand letters are one call.
const PUT_BACK_LIMIT: Duration = Duration::from_secs(30);

/// Letters that are asked for at once, and in memory at once. One by one, each would be a
/// write on the broker's disk.
const STRIDE: u16 = 200;
/// So long without a letter, and there are no more: somebody else holds the rest.
const QUIET: Duration = Duration::from_secs(1);

/// A walk through the queue: each letter is held unacknowledged until the walk ends,
/// in order or by the death of its connection, and is then in the queue again.
pub(super) struct Walk {
    queue: String,
    connection: Connection,
    channel: Channel,
    patience: Duration,
    until: Instant,
    /// Letters that were there at the beginning and have not come yet. What dies later is
    /// left alone: a letter that is sent back and dies again would be met for ever.
    ahead: u32,
    /// Letters that came and were not met yet.
    come: VecDeque<Delivery>,
}

impl Walk {
    pub(super) async fn begin(endpoint: &Endpoint, patience: Duration) -> Result<Self, BrokerError> {
        let connection = endpoint.connect_and_declare("dead letters").await?;
        let channel = call("a channel", connection.create_channel()).await?;
        let queue = endpoint.topology.dead_letter_queue();
        let look = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let looking = channel.queue_declare(queue.as_str().into(), look, FieldTable::default());
        let ahead = call("the number of dead letters", looking).await?.message_count();
        let until = Instant::now() + patience;
        Ok(Self { queue, connection, channel, patience, until, ahead, come: VecDeque::new() })
    }

    pub(super) fn is_too_long(&self) -> bool {
        Instant::now() > self.until
    }

    /// The next letter of those that were there when the walk began.
    pub(super) async fn next(&mut self) -> Result<Option<Delivery>, BrokerError> {
        if self.come.is_empty() && self.ahead > 0 {
            self.take_stride().await?;
        }
        Ok(self.come.pop_front())
    }

    /// Asks for the next letters. The consumer ends before the first of them is settled, or
    /// the broker would send others in their place.
    async fn take_stride(&mut self) -> Result<(), BrokerError> {
        let stride = u16::try_from(self.ahead).unwrap_or(u16::MAX).min(STRIDE);
        call("a prefetch limit", self.channel.basic_qos(stride, BasicQosOptions::default())).await?;
        let options = BasicConsumeOptions::default();
        let queue = self.queue.as_str().into();
        let consuming = self.channel.basic_consume(queue, "".into(), options, FieldTable::default());
        let mut consumer = call("to consume", consuming).await?;
        while self.come.len() < usize::from(stride) {
            match tokio::time::timeout(QUIET, consumer.next()).await {
                Ok(Some(letter)) => {
                    self.come.push_back(letter.map_err(|error| failed("a dead letter", error))?);
                }
                Ok(None) => return Err(BrokerError::Ended("the dead-letter queue is gone")),
                Err(_) => break,
            }
        }
        let cancelling = self.channel.basic_cancel(consumer.tag(), BasicCancelOptions::default());
        call("the end of a consumer", cancelling).await?;
        // What came in before that.
        while let Ok(Some(letter)) = tokio::time::timeout(QUIET, consumer.next()).await {
            self.come.push_back(letter.map_err(|error| failed("a dead letter", error))?);
        }
        let came = u32::try_from(self.come.len()).unwrap_or(u32::MAX);
        self.ahead = if came == 0 { 0 } else { self.ahead.saturating_sub(came) };
        Ok(())
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
