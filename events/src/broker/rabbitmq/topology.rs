//! The one place that declares exchanges and queues: declaring the same name with
//! other arguments is an error to RabbitMQ.

use std::time::Duration;

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable, LongString};
use lapin::{Channel, Connection, ExchangeKind};

use super::super::{BrokerError, DELIVERY_LIMIT, Depth, MAX_LENGTH, Topology};
use super::connection::{call, within};

/// How long all declarations together may take.
const DECLARE_LIMIT: Duration = Duration::from_secs(10);
/// Looking at dead letters counts as delivering them before RabbitMQ 4.3, and is not to lose one: far more
/// than anybody looks (see `docs/operations.md`).
const DEAD_LETTER_DELIVERY_LIMIT: u32 = 100_000;

/// Declares everything that an installation needs, on a channel of its own, since a refused declaration
/// closes the channel that it was made on.
pub(super) async fn declare(connection: &Connection, topology: &Topology) -> Result<(), BrokerError> {
    within("to declare the topology", DECLARE_LIMIT, async {
        let channel = connection.create_channel().await?;
        // Dead letters first: a message that dies before its exchange is there is held up.
        exchange(&channel, topology.dead_letter_exchange(), ExchangeKind::Direct).await?;
        queue(&channel, topology.dead_letter_queue(), dead_letter_arguments()).await?;
        let key = topology.dead_letter_key();
        bind(&channel, topology.dead_letter_queue(), topology.dead_letter_exchange(), key).await?;
        exchange(&channel, topology.users_exchange(), ExchangeKind::Topic).await?;
        queue(&channel, topology.queue(), main_arguments(topology)).await?;
        bind(&channel, topology.queue(), topology.users_exchange(), topology.binding()).await?;
        queue(&channel, topology.retry_queue(), retry_arguments(topology)).await?;
        channel.close(200, "declared".into()).await
    })
    .await
}

/// Declares the exchange of accounts, and no queue: who listens brings one.
pub(super) async fn declare_accounts(
    connection: &Connection,
    topology: &Topology,
) -> Result<(), BrokerError> {
    within("to declare the exchange of accounts", DECLARE_LIMIT, async {
        let channel = connection.create_channel().await?;
        exchange(&channel, topology.accounts_exchange(), ExchangeKind::Topic).await?;
        channel.close(200, "declared".into()).await
    })
    .await
}

/// Counts what waits, without declaring anything.
pub(super) async fn depth(connection: &Connection, topology: &Topology) -> Result<Depth, BrokerError> {
    let channel = call("a channel", connection.create_channel()).await?;
    let count = async |name: String| {
        let passive = QueueDeclareOptions { passive: true, durable: true, ..QueueDeclareOptions::default() };
        let declaring = channel.queue_declare(name.into(), passive, FieldTable::default());
        call("the depth of a queue", declaring).await.map(|queue| u64::from(queue.message_count()))
    };
    let depth = Depth {
        queue: count(topology.queue()).await?,
        retry: count(topology.retry_queue()).await?,
        dead_letters: count(topology.dead_letter_queue()).await?,
    };
    // In order, or lapin logs an error about a channel that its connection takes along.
    call("the end of a channel", channel.close(200, "counted".into())).await?;
    Ok(depth)
}

fn main_arguments(topology: &Topology) -> Vec<(&'static str, AMQPValue)> {
    vec![
        ("x-queue-type", text("quorum")),
        // Before RabbitMQ 4.0 there is no limit unless one is set.
        ("x-delivery-limit", number(DELIVERY_LIMIT)),
        ("x-dead-letter-exchange", text(topology.dead_letter_exchange())),
        ("x-dead-letter-routing-key", text(topology.dead_letter_key())),
        ("x-dead-letter-strategy", text("at-least-once")),
        // Without it at-least-once silently becomes at-most-once.
        ("x-overflow", text("reject-publish")),
        ("x-max-length", number(MAX_LENGTH)),
    ]
}

fn retry_arguments(topology: &Topology) -> Vec<(&'static str, AMQPValue)> {
    let delay_ms = u32::try_from(topology.retry_delay.as_millis()).unwrap_or(u32::MAX);
    vec![
        ("x-queue-type", text("quorum")),
        ("x-message-ttl", number(delay_ms)),
        // What expires goes through the default exchange, straight to the main queue.
        ("x-dead-letter-exchange", text("")),
        ("x-dead-letter-routing-key", text(topology.queue())),
        ("x-dead-letter-strategy", text("at-least-once")),
        ("x-overflow", text("reject-publish")),
    ]
}

fn dead_letter_arguments() -> Vec<(&'static str, AMQPValue)> {
    vec![
        ("x-queue-type", text("quorum")),
        ("x-delivery-limit", number(DEAD_LETTER_DELIVERY_LIMIT)),
        ("x-overflow", text("reject-publish")),
    ]
}

fn text(value: impl Into<String>) -> AMQPValue {
    AMQPValue::LongString(LongString::from(value.into()))
}

fn number(value: u32) -> AMQPValue {
    AMQPValue::LongLongInt(i64::from(value))
}

async fn exchange(channel: &Channel, name: String, kind: ExchangeKind) -> lapin::Result<()> {
    let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    channel.exchange_declare(name.into(), kind, options, FieldTable::default()).await
}

async fn queue(
    channel: &Channel,
    name: String,
    arguments: Vec<(&'static str, AMQPValue)>,
) -> lapin::Result<()> {
    let mut table = FieldTable::default();
    for (key, value) in arguments {
        table.insert(key.into(), value);
    }
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(name.into(), options, table).await.map(drop)
}

async fn bind(channel: &Channel, queue: String, exchange: String, key: &str) -> lapin::Result<()> {
    let options = QueueBindOptions::default();
    channel.queue_bind(queue.into(), exchange.into(), key.into(), options, FieldTable::default()).await
}
