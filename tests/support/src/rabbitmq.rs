//! A prefix for one test's exchanges and queues on RabbitMQ.

use lapin::options::{ExchangeDeleteOptions, QueueDeleteOptions};
use lapin::types::FieldTable;
use lapin::{Connection, ConnectionProperties};
use uuid::Uuid;

use crate::cleanup;
use crate::listener::{Listener, queue_under};
use crate::server::Server;

/// A broker, and a prefix that nobody else uses on it. What was declared under the
/// prefix goes with this value at the latest.
#[derive(Debug)]
pub struct TestRabbit {
    url: String,
    prefix: String,
    deleted: bool,
}

/// Makes a prefix for the broker of `ACCRUE_TEST_RABBITMQ_URL`, or skips.
///
/// # Panics
/// When the broker is required and not there.
pub async fn rabbitmq() -> Option<TestRabbit> {
    Some(TestRabbit::on(&Server::RabbitMq.url_or_skip()?))
}

impl TestRabbit {
    pub(crate) fn on(server_url: &str) -> Self {
        let prefix = format!("t-{}", Uuid::new_v4().simple());
        Self { url: server_url.to_owned(), prefix, deleted: false }
    }

    /// The broker's URL.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What the names of this test's exchanges and queues begin with.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Somebody who listens on one of this test's exchanges: one queue a test.
    pub async fn listen(&self, exchange: &str, binding: &str) -> Listener {
        Listener::bind(&self.url, (&self.prefix, exchange), binding).await
    }

    /// Loses the exchanges and queues of this test, with what is in them, as a broker that
    /// is lost does.
    ///
    /// # Panics
    /// When the broker refuses.
    pub async fn lose_topology(&self) {
        delete(&self.url, &self.prefix).await.expect("the broker under test deletes queues");
    }

    /// Takes the binding of the main queue away: what is published next reaches nobody.
    ///
    /// # Panics
    /// When the broker refuses.
    pub async fn lose_binding(&self) {
        unbind(&self.url, &self.prefix).await.expect("the broker under test unbinds a queue");
    }

    /// Deletes the exchanges and queues of this test, with what is in them.
    ///
    /// # Panics
    /// When the broker refuses.
    pub async fn delete_topology(mut self) {
        self.deleted = true;
        delete(&self.url, &self.prefix).await.expect("the broker under test deletes queues");
    }
}

impl Drop for TestRabbit {
    fn drop(&mut self) {
        if self.deleted {
            return;
        }
        let (url, prefix) = (self.url.clone(), self.prefix.clone());
        cleanup::run(async move { drop(delete(&url, &prefix).await) });
    }
}

async fn unbind(url: &str, prefix: &str) -> lapin::Result<()> {
    let connection = Connection::connect(url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    let (queue, exchange) = (format!("{prefix}.accounting.users"), format!("{prefix}.users"));
    channel.queue_unbind(queue.into(), exchange.into(), "user.#".into(), FieldTable::default()).await?;
    connection.close(200, "done".into()).await
}

/// Deleting what is not there is no error to a broker.
async fn delete(url: &str, prefix: &str) -> lapin::Result<()> {
    let connection = Connection::connect(url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    for suffix in ["", ".retry", ".dlq"] {
        let queue = format!("{prefix}.accounting.users{suffix}");
        channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await?;
    }
    channel.queue_delete(queue_under(prefix).into(), QueueDeleteOptions::default()).await?;
    for exchange in ["users", "accounts", "dlx"] {
        let exchange = format!("{prefix}.{exchange}");
        channel.exchange_delete(exchange.into(), ExchangeDeleteOptions::default()).await?;
    }
    connection.close(200, "done".into()).await
}

#[cfg(test)]
mod tests {
    use lapin::options::QueueDeclareOptions;

    use super::*;

    async fn declare(rabbit: &TestRabbit, options: QueueDeclareOptions) -> lapin::Result<()> {
        let connection = Connection::connect(rabbit.url(), ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        let queue = format!("{}.accounting.users", rabbit.prefix());
        channel.queue_declare(queue.into(), options, FieldTable::default()).await?;
        connection.close(200, "done".into()).await
    }

    #[tokio::test]
    async fn the_queues_of_a_test_go_with_it() {
        let Some(rabbit) = rabbitmq().await else { return };
        let passive = QueueDeclareOptions { passive: true, durable: true, ..QueueDeclareOptions::default() };
        declare(&rabbit, QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() })
            .await
            .expect("a queue can be declared");
        declare(&rabbit, passive).await.expect("it is there");
        delete(rabbit.url(), rabbit.prefix()).await.expect("it can be deleted");
        assert!(declare(&rabbit, passive).await.is_err(), "it is gone");
        rabbit.delete_topology().await;
    }
}
