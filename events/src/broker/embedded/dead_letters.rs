//! Dead letters: rows beside the queue.

use std::sync::Arc;

use accrue_chassis::clock::from_micros;
use async_trait::async_trait;

use super::super::{BrokerError, DeadLetter, DeadLetters};
use super::store::{Store, failed};

pub(super) struct EmbeddedDeadLetters {
    store: Arc<Store>,
}

impl EmbeddedDeadLetters {
    pub(super) fn new(store: Arc<Store>) -> Self {
        Self { store }
    }
}

#[async_trait]
impl DeadLetters for EmbeddedDeadLetters {
    async fn list(&self, limit: usize) -> Result<Vec<DeadLetter>, BrokerError> {
        let rows: Vec<(String, String, String, i64, Vec<u8>)> = sqlx::query_as(
            "SELECT message_id, routing_key, reason, dead_since, body FROM dead_letters ORDER BY seq LIMIT ?1",
        )
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(self.store.pool().await?)
        .await
        .map_err(failed)?;
        let letter = |(id, routing_key, reason, dead_since, body)| DeadLetter {
            id,
            routing_key,
            reason,
            dead_since: from_micros(dead_since),
            body,
        };
        Ok(rows.into_iter().map(letter).collect())
    }

    async fn redrive(&self, id: &str) -> Result<bool, BrokerError> {
        let mut transaction = self.store.write().await?;
        sqlx::query(
            "INSERT INTO messages (message_id, routing_key, content_type, body, traceparent)
             SELECT message_id, routing_key, content_type, body, traceparent FROM dead_letters
             WHERE seq = (SELECT MIN(seq) FROM dead_letters WHERE message_id = ?1)",
        )
        .bind(id)
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
        let removed = sqlx::query(REMOVE).bind(id).execute(&mut *transaction).await.map_err(failed)?;
        transaction.commit().await.map_err(failed)?;
        self.store.arrivals.notify_waiters();
        Ok(removed.rows_affected() > 0)
    }

    async fn drop_letter(&self, id: &str) -> Result<bool, BrokerError> {
        let pool = self.store.pool().await?;
        let removed = sqlx::query(REMOVE).bind(id).execute(pool).await.map_err(failed)?;
        Ok(removed.rows_affected() > 0)
    }
}

/// The oldest letter of that id.
const REMOVE: &str =
    "DELETE FROM dead_letters WHERE seq = (SELECT MIN(seq) FROM dead_letters WHERE message_id = ?1)";
