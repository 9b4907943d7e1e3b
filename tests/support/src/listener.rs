//! Somebody who listens on an exchange of RabbitMQ, with a queue of their own.

use lapin::options::{BasicGetOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{Connection, ConnectionProperties, ExchangeKind};

/// A durable queue, bound to an exchange. It keeps what arrives while nobody looks, also
/// while the broker is restarted.
#[derive(Debug)]
pub struct Listener {
    url: String,
    queue: String,
}

/// A message that arrived.
#[derive(Debug, Clone)]
pub struct Heard {
    /// What it was published with.
    pub routing_key: String,
    /// Its message id.
    pub message_id: Option<String>,
    /// What it says.
    pub body: Vec<u8>,
}

/// The name of a listener's queue under `prefix`.
pub(crate) fn queue_under(prefix: &str) -> String {
    format!("{prefix}.listener")
}

impl Listener {
    /// Declares the durable topic exchange `PREFIX.NAME`, as any consumer may, and binds a
    /// queue to it.
    ///
    /// # Panics
    /// When the broker refuses.
    pub async fn bind(url: &str, (prefix, name): (&str, &str), binding: &str) -> Self {
        let listener = Self { url: url.to_owned(), queue: queue_under(prefix) };
        listener.declare(&format!("{prefix}.{name}"), binding).await.expect("a queue that can be bound");
        listener
    }

    async fn declare(&self, exchange: &str, binding: &str) -> lapin::Result<()> {
        let connection = Connection::connect(&self.url, ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        let table = FieldTable::default;
        channel.exchange_declare(exchange.into(), ExchangeKind::Topic, durable, table()).await?;
        let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        let queue = || self.queue.as_str().into();
        channel.queue_declare(queue(), durable, table()).await?;
        let options = QueueBindOptions::default();
        channel.queue_bind(queue(), exchange.into(), binding.into(), options, table()).await?;
        connection.close(200, "done".into()).await
    }

    /// Takes what has arrived, in its order.
    ///
    /// # Panics
    /// When the broker does not answer.
    pub async fn take(&self) -> Vec<Heard> {
        self.try_take().await.expect("the queue can be read")
    }

    async fn try_take(&self) -> lapin::Result<Vec<Heard>> {
        let connection = Connection::connect(&self.url, ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        let mut heard = Vec::new();
        while let Some(message) =
            channel.basic_get(self.queue.as_str().into(), BasicGetOptions { no_ack: true }).await?
        {
            heard.push(Heard {
                routing_key: message.routing_key.to_string(),
                message_id: message.properties.message_id().as_ref().map(ToString::to_string),
                body: message.delivery.data,
            });
        }
        connection.close(200, "done".into()).await?;
        Ok(heard)
    }
}
