//! The outbox in PostgreSQL: events beside the ledger, leased row by row.

use std::time::Duration;

use accrue_events::account::AccountEvent;
use accrue_events::broker::Message;
use accrue_events::outbox::{Backlog, Claim, Entry, Outbox, OutboxError};
use async_trait::async_trait;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{PgConnection, Postgres, Row as _};
use time::OffsetDateTime;
use uuid::Uuid;

use super::save::column;
use super::{POST_LIMIT, PostgresLedger};
use crate::store::StoreError;

/// Writes events in the transaction of what they tell of. Nothing is asked of the server
/// where there are none.
pub(super) async fn insert(
    connection: &mut PgConnection,
    events: &[AccountEvent],
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    if events.is_empty() {
        return Ok(());
    }
    let rows: Vec<(&str, Message)> =
        events.iter().map(|event| (event.user_id(), event.to_message())).collect();
    sqlx::query(
        "INSERT INTO outbox (event_id, user_id, routing_key, content_type, body, traceparent, written_at)
         SELECT event_id, user_id, routing_key, content_type, body, traceparent, $7
         FROM UNNEST($1::uuid[], $2::text[], $3::text[], $4::text[], $5::bytea[], $6::text[])
             WITH ORDINALITY
             AS new (event_id, user_id, routing_key, content_type, body, traceparent, place)
         ORDER BY place",
    )
    .bind(column(&rows, |(_, message)| message.id))
    .bind(column(&rows, |(user_id, _)| *user_id))
    .bind(column(&rows, |(_, message)| message.routing_key.as_str()))
    .bind(column(&rows, |(_, message)| message.content_type.as_str()))
    .bind(column(&rows, |(_, message)| message.body.as_slice()))
    .bind(column(&rows, |(_, message)| message.traceparent.as_deref()))
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}

impl PostgresLedger {
    /// Asks the server, and gives up on one that has gone silent.
    async fn ask(&self, query: Query<'_, Postgres, PgArguments>) -> Result<Vec<PgRow>, StoreError> {
        let mut connection = self.outbox.acquire().await?;
        let answer = tokio::time::timeout(POST_LIMIT, query.fetch_all(&mut *connection)).await;
        let answer = answer.map_or(Err(StoreError::TimedOut), |rows| rows.map_err(StoreError::from));
        if answer.as_ref().is_err_and(StoreError::is_passing) {
            // Whatever the server may still say on it is of no use any more.
            drop(connection.detach());
        }
        answer
    }

    /// What time it is: a lease holds only among those who agree on that.
    async fn server_time(&self) -> Result<OffsetDateTime, StoreError> {
        let rows = self.ask(sqlx::query("SELECT clock_timestamp() AS at")).await?;
        let row = rows.first().ok_or_else(|| StoreError::Corrupt("no time was told".to_owned()))?;
        Ok(self.clock.agreed(row.try_get("at")?))
    }
}

#[async_trait]
impl Outbox for PostgresLedger {
    /// One statement finds and leases, and passes over what another claim is about to lease.
    async fn claim(&self, limit: usize, lease: Duration) -> Result<Claim, OutboxError> {
        let (now, token) = (self.server_time().await?, Uuid::new_v4());
        let claim = sqlx::query(
            "WITH free AS (
                 SELECT position FROM outbox
                 WHERE lease_until IS NULL OR lease_until <= $3 OR lease_until > $4
                 ORDER BY position LIMIT $5 FOR UPDATE SKIP LOCKED
             )
             UPDATE outbox SET lease_token = $1, lease_until = $2
             FROM free WHERE outbox.position = free.position
             RETURNING outbox.*",
        )
        .bind(token)
        .bind(now + lease)
        .bind(now)
        .bind(now + 2 * lease)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX));
        let rows = self.ask(claim).await?;
        let mut entries = rows.iter().map(read_entry).collect::<Result<Vec<_>, _>>()?;
        // RETURNING promises no order.
        entries.sort_unstable_by_key(|(position, _)| *position);
        Ok(Claim { token, entries: entries.into_iter().map(|(_, entry)| entry).collect() })
    }

    async fn mark_published(&self, claim: &Claim, confirmed: &[Entry]) -> Result<(), OutboxError> {
        let delete = sqlx::query("DELETE FROM outbox WHERE event_id = ANY ($1::uuid[]) AND lease_token = $2")
            .bind(column(confirmed, |entry| entry.message.id))
            .bind(claim.token);
        Ok(self.ask(delete).await.map(drop)?)
    }

    async fn release(&self, claim: &Claim) -> Result<(), OutboxError> {
        let release = sqlx::query(
            "UPDATE outbox SET lease_token = NULL, lease_until = NULL
             WHERE event_id = ANY ($1::uuid[]) AND lease_token = $2",
        )
        .bind(column(&claim.entries, |entry| entry.message.id))
        .bind(claim.token);
        Ok(self.ask(release).await.map(drop)?)
    }

    async fn backlog(&self) -> Result<Backlog, OutboxError> {
        let count = sqlx::query(
            // Counted as far as that is quick; of more, no more than were written since the oldest.
            "SELECT CASE WHEN counted <= 100000 THEN counted
                         ELSE (SELECT max(position) FROM outbox) - (SELECT min(position) FROM outbox) + 1
                    END AS depth,
                    (SELECT written_at FROM outbox ORDER BY position LIMIT 1) AS oldest,
                    clock_timestamp() AS at
             FROM (SELECT count(*) AS counted FROM (SELECT FROM outbox LIMIT 100001) AS first)
                 AS counting",
        );
        let rows = self.ask(count).await?;
        let Some(row) = rows.first() else { return Ok(Backlog::default()) };
        let depth: i64 = row.try_get("depth").map_err(StoreError::from)?;
        let oldest: Option<OffsetDateTime> = row.try_get("oldest").map_err(StoreError::from)?;
        let at: OffsetDateTime = row.try_get("at").map_err(StoreError::from)?;
        let age = oldest.map(|written_at| self.clock.agreed(at) - written_at);
        Ok(Backlog {
            depth: u64::try_from(depth).unwrap_or_default(),
            // Negative when the clock went back: then it is young.
            oldest_age: age.and_then(|age| age.try_into().ok()).unwrap_or_default(),
        })
    }
}

fn read_entry(row: &PgRow) -> Result<(i64, Entry), StoreError> {
    let message = Message {
        id: row.try_get("event_id")?,
        routing_key: row.try_get("routing_key")?,
        content_type: row.try_get("content_type")?,
        body: row.try_get("body")?,
        traceparent: row.try_get("traceparent")?,
    };
    Ok((row.try_get("position")?, Entry { owner: row.try_get("user_id")?, message }))
}
