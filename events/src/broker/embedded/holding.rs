//! The statements behind a subscription: claim, settle, free what the dead held.

use sqlx::{FromRow, Sqlite, Transaction};

use super::super::{BrokerError, DELIVERY_LIMIT, Delivery, MAX_ATTEMPTS, Settlement};
use super::owner;
use super::store::{Store, failed};

/// A message that a subscription holds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Held {
    pub(super) seq: i64,
    pub(super) attempts: u32,
}

/// A message as it was claimed.
#[derive(Debug, FromRow)]
pub(super) struct Row {
    pub(super) seq: i64,
    message_id: String,
    body: Vec<u8>,
    pub(super) attempts: u32,
    traceparent: Option<String>,
}

impl Row {
    pub(super) fn into_delivery(self, tag: u64) -> Delivery {
        Delivery {
            tag,
            message_id: Some(self.message_id),
            body: self.body,
            attempts: self.attempts,
            traceparent: self.traceparent,
        }
    }
}

/// Whether anything could be claimed, without asking for the write lock.
pub(super) async fn is_any_waiting(store: &Store) -> Result<bool, BrokerError> {
    let now = store.now_micros();
    sqlx::query_scalar(
        "SELECT EXISTS (
             SELECT 1 FROM messages INDEXED BY messages_waiting
             WHERE owner IS NULL AND (available_at <= ?1 OR available_at > ?2)
         )",
    )
    .bind(now)
    .bind(wrong_clock(store, now))
    .fetch_one(store.pool().await?)
    .await
    .map_err(failed)
}

/// Claims up to `limit` messages, the first in the queue, and counts a delivery of
/// each. One statement, so it happens or does not.
pub(super) async fn claim(store: &Store, token: &str, limit: usize) -> Result<Vec<Row>, BrokerError> {
    let now = store.now_micros();
    sqlx::query_as(
        "UPDATE messages SET owner = ?1, deliveries = deliveries + 1
         WHERE seq IN (
             SELECT seq FROM messages INDEXED BY messages_waiting
             WHERE owner IS NULL AND (available_at <= ?2 OR available_at > ?3)
             ORDER BY seq LIMIT ?4
         )
         RETURNING seq, message_id, body, attempts, traceparent",
    )
    .bind(token)
    .bind(now)
    .bind(wrong_clock(store, now))
    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
    .fetch_all(store.pool().await?)
    .await
    .map_err(failed)
}

/// What a subscription holds, by the file's account.
pub(super) async fn held_by(store: &Store, token: &str) -> Result<Vec<Row>, BrokerError> {
    sqlx::query_as("SELECT seq, message_id, body, attempts, traceparent FROM messages WHERE owner = ?1")
        .bind(token)
        .fetch_all(store.pool().await?)
        .await
        .map_err(failed)
}

/// A retry that is due so far ahead was dated by a clock that was wrong.
fn wrong_clock(store: &Store, now: i64) -> i64 {
    now.saturating_add(store.retry_delay_micros().saturating_mul(2))
}

/// Settles in one transaction. Each statement touches only what `token` still holds:
/// were it taken for dead, others have its messages, and they are not ours to delete.
pub(super) async fn settle(
    store: &Store,
    token: &str,
    settled: Vec<(Held, Settlement)>,
) -> Result<(), BrokerError> {
    let (mut acked, mut rejected, mut retried) = (Vec::new(), Vec::new(), Vec::new());
    for (held, settlement) in settled {
        match settlement {
            Settlement::Ack => acked.push(held.seq),
            Settlement::Retry if held.attempts.saturating_add(1) < MAX_ATTEMPTS => retried.push(held.seq),
            Settlement::Retry | Settlement::Reject => rejected.push(held.seq),
        }
    }
    let now = store.now_micros();
    let mut transaction = store.write().await?;
    if !rejected.is_empty() {
        bury(&mut transaction, token, &rejected, now).await?;
    }
    if !retried.is_empty() {
        let due = now.saturating_add(store.retry_delay_micros());
        requeue(&mut transaction, token, &retried, due).await?;
    }
    acked.extend(rejected);
    acked.extend(retried);
    sqlx::query("DELETE FROM messages WHERE owner = ?1 AND seq IN (SELECT value FROM json_each(?2))")
        .bind(token)
        .bind(sqlx::types::Json(&acked))
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
    transaction.commit().await.map_err(failed)
}

async fn bury(
    transaction: &mut Transaction<'static, Sqlite>,
    token: &str,
    seqs: &[i64],
    now: i64,
) -> Result<(), BrokerError> {
    sqlx::query(
        "INSERT INTO dead_letters
             (message_id, routing_key, content_type, body, traceparent, attempts, reason, dead_since)
         SELECT message_id, routing_key, content_type, body, traceparent, attempts, 'rejected', ?3
         FROM messages WHERE owner = ?1 AND seq IN (SELECT value FROM json_each(?2)) ORDER BY seq",
    )
    .bind(token)
    .bind(sqlx::types::Json(seqs))
    .bind(now)
    .execute(&mut **transaction)
    .await
    .map(drop)
    .map_err(failed)
}

/// Gives messages a new place at the end of the queue, to be delivered from `due` on.
async fn requeue(
    transaction: &mut Transaction<'static, Sqlite>,
    token: &str,
    seqs: &[i64],
    due: i64,
) -> Result<(), BrokerError> {
    sqlx::query(
        "INSERT INTO messages
             (message_id, routing_key, content_type, body, traceparent, attempts, available_at)
         SELECT message_id, routing_key, content_type, body, traceparent, attempts + 1, ?3
         FROM messages WHERE owner = ?1 AND seq IN (SELECT value FROM json_each(?2)) ORDER BY seq",
    )
    .bind(token)
    .bind(sqlx::types::Json(seqs))
    .bind(due)
    .execute(&mut **transaction)
    .await
    .map(drop)
    .map_err(failed)
}

/// Frees what dead subscriptions hold; what has been delivered too often goes to the
/// dead letters, or it might kill its consumers for ever.
pub(super) async fn free_dead(store: &Store, own_token: &str) -> Result<(), BrokerError> {
    let owners: Vec<String> =
        sqlx::query_scalar("SELECT DISTINCT owner FROM messages WHERE owner IS NOT NULL AND owner <> ?1")
            .bind(own_token)
            .fetch_all(store.pool().await?)
            .await
            .map_err(failed)?;
    for token in owners {
        if owner::is_dead(store.path(), &token).map_err(failed)? {
            free(store, &token).await?;
        }
    }
    Ok(())
}

async fn free(store: &Store, token: &str) -> Result<(), BrokerError> {
    let mut transaction = store.write().await?;
    sqlx::query(
        "INSERT INTO dead_letters
             (message_id, routing_key, content_type, body, traceparent, attempts, reason, dead_since)
         SELECT message_id, routing_key, content_type, body, traceparent, attempts, 'delivery_limit', ?3
         FROM messages WHERE owner = ?1 AND deliveries >= ?2 ORDER BY seq",
    )
    .bind(token)
    .bind(DELIVERY_LIMIT)
    .bind(store.now_micros())
    .execute(&mut *transaction)
    .await
    .map_err(failed)?;
    sqlx::query("DELETE FROM messages WHERE owner = ?1 AND deliveries >= ?2")
        .bind(token)
        .bind(DELIVERY_LIMIT)
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
    sqlx::query("UPDATE messages SET owner = NULL WHERE owner = ?1")
        .bind(token)
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
    transaction.commit().await.map_err(failed)?;
    store.arrivals.notify_waiters();
    Ok(())
}
