//! The outbox in SQLite: a table of entries, leased row by row.

use std::time::Duration;

use accrue_chassis::clock::to_micros;
use accrue_events::broker::Message;
use accrue_events::outbox::{Backlog, Claim, Entry, Outbox, OutboxError};
use async_trait::async_trait;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use super::{SqliteStore, StoreError, fault};

#[async_trait]
impl Outbox for SqliteStore {
    /// One statement finds and leases, so no two claims get the same entry.
    async fn claim(&self, limit: usize, lease: Duration) -> Result<Claim, OutboxError> {
        let (writer, now, token) = (self.writer.clone(), self.clock.now(), Uuid::new_v4());
        let claim = sqlx::query(
            "UPDATE outbox SET lease_token = ?1, lease_until = ?2
             WHERE seq IN (SELECT seq FROM outbox
                           WHERE lease_until IS NULL OR lease_until <= ?3 OR lease_until > ?4
                           ORDER BY seq LIMIT ?5)
             RETURNING seq, event_id, user_id, routing_key, content_type, body, traceparent",
        )
        .bind(token)
        .bind(to_micros(now + lease))
        .bind(to_micros(now))
        .bind(to_micros(now + 2 * lease))
        .bind(i64::try_from(limit).unwrap_or(i64::MAX));
        let rows = self.calls.run(async move { claim.fetch_all(&writer).await.map_err(fault) }).await?;
        let mut entries = rows.iter().map(read_entry).collect::<Result<Vec<_>, _>>()?;
        // RETURNING promises no order.
        entries.sort_unstable_by_key(|(seq, _)| *seq);
        Ok(Claim { token, entries: entries.into_iter().map(|(_, entry)| entry).collect() })
    }

    async fn mark_published(&self, claim: &Claim, confirmed: &[Entry]) -> Result<(), OutboxError> {
        // One statement for any number of entries: the ids go in as a JSON array.
        let ids: Vec<_> = confirmed.iter().map(|entry| entry.message.id.simple().to_string()).collect();
        let (writer, token) = (self.writer.clone(), claim.token);
        let delete = sqlx::query(
            "DELETE FROM outbox
             WHERE lease_token = ?1 AND event_id IN (SELECT unhex(value) FROM json_each(?2))",
        )
        .bind(token)
        .bind(sqlx::types::Json(ids));
        Ok(self.calls.run(async move { delete.execute(&writer).await.map(drop).map_err(fault) }).await?)
    }

    async fn release(&self, claim: &Claim) -> Result<(), OutboxError> {
        let (writer, token) = (self.writer.clone(), claim.token);
        let release =
            sqlx::query("UPDATE outbox SET lease_token = NULL, lease_until = NULL WHERE lease_token = ?1")
                .bind(token);
        Ok(self.calls.run(async move { release.execute(&writer).await.map(drop).map_err(fault) }).await?)
    }

    async fn backlog(&self) -> Result<Backlog, OutboxError> {
        let (readers, now) = (self.readers.clone(), to_micros(self.clock.now()));
        let count = sqlx::query_as("SELECT count(*), min(written_at) FROM outbox");
        let (depth, oldest): (i64, Option<i64>) =
            self.calls.run(async move { count.fetch_one(&readers).await.map_err(fault) }).await?;
        let age_micros = oldest.map_or(0, |written_at| now - written_at);
        Ok(Backlog {
            depth: u64::try_from(depth).unwrap_or_default(),
            // Negative when the clock went back: then it is young.
            oldest_age: Duration::from_micros(u64::try_from(age_micros).unwrap_or_default()),
        })
    }
}

fn read_entry(row: &SqliteRow) -> Result<(i64, Entry), StoreError> {
    let message = Message {
        id: row.try_get("event_id").map_err(fault)?,
        routing_key: row.try_get("routing_key").map_err(fault)?,
        content_type: row.try_get("content_type").map_err(fault)?,
        body: row.try_get("body").map_err(fault)?,
        traceparent: row.try_get("traceparent").map_err(fault)?,
    };
    let entry = Entry { owner: row.try_get("user_id").map_err(fault)?, message };
    Ok((row.try_get("seq").map_err(fault)?, entry))
}
