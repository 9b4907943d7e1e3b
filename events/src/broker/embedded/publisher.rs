//! Publishes: confirmed when it is committed.

use std::sync::Arc;

use async_trait::async_trait;
use sqlx::{Sqlite, Transaction};

use super::super::{BrokerError, Destination, Message, Place, Publication, Publisher, Topology};
use super::SYSTEM;
use super::store::{Store, failed};

/// The longest routing key that AMQP can carry.
const MAX_ROUTING_KEY_BYTES: usize = 255;

pub(super) struct EmbeddedPublisher {
    store: Arc<Store>,
    to: Destination,
}

impl EmbeddedPublisher {
    pub(super) fn new(store: Arc<Store>, to: Destination) -> Self {
        Self { store, to }
    }
}

#[async_trait]
impl Publisher for EmbeddedPublisher {
    async fn connect(&mut self) -> Result<(), BrokerError> {
        self.store.pool().await.map(drop)
    }

    async fn publish(&mut self, window: &[Message]) -> Result<Vec<Publication>, BrokerError> {
        if !self.to.is_mandatory() {
            // No queue of theirs can be bound to this broker.
            return Ok(window.iter().map(|message| taken_by_nobody(&message.routing_key)).collect());
        }
        let mut publications = vec![Publication::Unconfirmed; window.len()];
        let mut transaction = self.store.write().await?;
        let mut room = room(&mut transaction, self.store.max_length()).await?;
        for (message, publication) in window.iter().zip(&mut publications) {
            if room > 0 && is_bound(&message.routing_key) {
                insert(&mut transaction, message).await?;
                *publication = Publication::Confirmed;
                room -= 1;
            }
        }
        transaction.commit().await.map_err(failed)?;
        self.store.arrivals.notify_waiters();
        Ok(publications)
    }

    fn place(&self) -> Place {
        Place { system: SYSTEM, name: Topology::default().exchange(self.to) }
    }
}

/// What becomes of a message that no queue takes and none has to.
fn taken_by_nobody(routing_key: &str) -> Publication {
    // As on RabbitMQ: AMQP ends a routing key at 255 bytes.
    if routing_key.len() <= MAX_ROUTING_KEY_BYTES { Publication::Confirmed } else { Publication::Unconfirmed }
}

/// Whether the queue's one binding, `user.#`, takes the routing key.
fn is_bound(routing_key: &str) -> bool {
    routing_key == "user" || routing_key.starts_with("user.")
}

/// How many messages still fit. Counted only where the places taken do not already
/// show that there is plenty of room.
async fn room(transaction: &mut Transaction<'static, Sqlite>, max_length: u32) -> Result<i64, BrokerError> {
    let max_length = i64::from(max_length);
    let at_most: i64 = sqlx::query_scalar(
        "SELECT COALESCE((SELECT MAX(seq) FROM messages) - (SELECT MIN(seq) FROM messages) + 1, 0)",
    )
    .fetch_one(&mut **transaction)
    .await
    .map_err(failed)?;
    if at_most <= max_length / 2 {
        return Ok(max_length - at_most);
    }
    let count: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM messages")
        .fetch_one(&mut **transaction)
        .await
        .map_err(failed)?;
    Ok(max_length - count)
}

async fn insert(
    transaction: &mut Transaction<'static, Sqlite>,
    message: &Message,
) -> Result<(), BrokerError> {
    sqlx::query(
        "INSERT INTO messages (message_id, routing_key, content_type, body, traceparent)
         VALUES (?1, ?2, ?3, ?4, ?5)",
    )
    .bind(message.id.to_string())
    .bind(&message.routing_key)
    .bind(&message.content_type)
    .bind(&message.body)
    .bind(&message.traceparent)
    .execute(&mut **transaction)
    .await
    .map(drop)
    .map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::is_bound;

    #[test]
    fn only_keys_of_users_are_routed() {
        for key in ["user", "user.registered", "user.a.b"] {
            assert!(is_bound(key), "{key}");
        }
        for key in ["", "users.registered", "account.opened", "User.registered"] {
            assert!(!is_bound(key), "{key}");
        }
    }
}
