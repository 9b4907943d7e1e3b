//! The outbox in the ledger's SQLite file: a table of events, leased row by row.

use std::time::Duration;

use accrue_chassis::clock::to_micros;
use accrue_events::account::AccountEvent;
use accrue_events::broker::Message;
use accrue_events::outbox::{Backlog, Claim, Entry, Outbox, OutboxError};
use async_trait::async_trait;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};
use time::OffsetDateTime;
use uuid::Uuid;

use super::SqliteLedger;
use crate::store::StoreError;

/// Writes events in the transaction of what they tell of.
pub(super) async fn insert(
    connection: &mut SqliteConnection,
    events: &[AccountEvent],
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    for event in events {
        let message = event.to_message();
        sqlx::query(
            "INSERT INTO outbox (event_id, user_id, routing_key, content_type, body, traceparent, written_at)
             VALUES (?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(message.id)
        .bind(event.user_id())
        .bind(message.routing_key)
        .bind(message.content_type)
        .bind(message.body)
        .bind(message.traceparent)
        .bind(to_micros(now))
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

#[async_trait]
impl Outbox for SqliteLedger {
    /// One statement finds and leases, so no two claims get the same entry. Where nothing
    /// waits the write lock is not asked for: the ledger has better use for it.
    async fn claim(&self, limit: usize, lease: Duration) -> Result<Claim, OutboxError> {
        let (now, token) = (self.clock.now(), Uuid::new_v4());
        let is_any: bool = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM outbox)")
            .fetch_one(&self.readers)
            .await
            .map_err(StoreError::from)?;
        if !is_any {
            return Ok(Claim { token, entries: Vec::new() });
        }
        let rows = sqlx::query(
            "UPDATE outbox SET lease_token = ?1, lease_until = ?2
             WHERE position IN (SELECT position FROM outbox
                                WHERE lease_until IS NULL OR lease_until <= ?3 OR lease_until > ?4
                                ORDER BY position LIMIT ?5)
             RETURNING position, event_id, user_id, routing_key, content_type, body, traceparent",
        )
        .bind(token)
        .bind(to_micros(now + lease))
        .bind(to_micros(now))
        .bind(to_micros(now + 2 * lease))
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(&self.writer)
        .await
        .map_err(StoreError::from)?;
        let mut entries = rows.iter().map(read_entry).collect::<Result<Vec<_>, _>>()?;
        // RETURNING promises no order.
        entries.sort_unstable_by_key(|(position, _)| *position);
        Ok(Claim { token, entries: entries.into_iter().map(|(_, entry)| entry).collect() })
    }

    async fn mark_published(&self, claim: &Claim, confirmed: &[Entry]) -> Result<(), OutboxError> {
        sqlx::query(
            "DELETE FROM outbox
             WHERE event_id IN (SELECT unhex(value) FROM json_each(?1)) AND lease_token = ?2",
        )
        .bind(ids(confirmed))
        .bind(claim.token)
        .execute(&self.writer)
        .await
        .map_err(StoreError::from)?;
        Ok(())
    }

    async fn release(&self, claim: &Claim) -> Result<(), OutboxError> {
        sqlx::query(
            "UPDATE outbox SET lease_token = NULL, lease_until = NULL
             WHERE event_id IN (SELECT unhex(value) FROM json_each(?1)) AND lease_token = ?2",
        )
        .bind(ids(&claim.entries))
        .bind(claim.token)
        .execute(&self.writer)
        .await
        .map_err(StoreError::from)?;
        Ok(())
    }

    async fn backlog(&self) -> Result<Backlog, OutboxError> {
        let (depth, oldest): (i64, Option<i64>) = sqlx::query_as(
            // Counted as far as that is quick; of more, no more than were written since the oldest.
            "SELECT CASE WHEN counted <= 100000 THEN counted
                         ELSE (SELECT max(position) FROM outbox) - (SELECT min(position) FROM outbox) + 1
                    END,
                    (SELECT written_at FROM outbox ORDER BY position LIMIT 1)
             FROM (SELECT count(*) AS counted FROM (SELECT 1 FROM outbox LIMIT 100001))",
        )
        .fetch_one(&self.readers)
        .await
        .map_err(StoreError::from)?;
        let age_micros = oldest.map_or(0, |written_at| to_micros(self.clock.now()) - written_at);
        Ok(Backlog {
            depth: u64::try_from(depth).unwrap_or_default(),
            // Negative when the clock went back: then it is young.
            oldest_age: Duration::from_micros(u64::try_from(age_micros).unwrap_or_default()),
        })
    }
}

/// The ids of any number of entries as one value: a JSON array.
fn ids(entries: &[Entry]) -> sqlx::types::Json<Vec<String>> {
    sqlx::types::Json(entries.iter().map(|entry| entry.message.id.simple().to_string()).collect())
}

fn read_entry(row: &SqliteRow) -> Result<(i64, Entry), StoreError> {
    let message = Message {
        id: row.try_get("event_id")?,
        routing_key: row.try_get("routing_key")?,
        content_type: row.try_get("content_type")?,
        body: row.try_get("body")?,
        traceparent: row.try_get("traceparent")?,
    };
    Ok((row.try_get("position")?, Entry { owner: row.try_get("user_id")?, message }))
}
