//! Dead letters: rows beside the queue.

use std::sync::Arc;

use accrue_chassis::clock::from_micros;
use accrue_chassis::pace::Pace;
use async_trait::async_trait;
use sqlx::FromRow;
use tokio::time::Instant;

use super::super::selection::Wanted;
use super::super::{BrokerError, DeadLetter, DeadLetters, FailedRedrive, Look, Redrive, Redriven, Survey};
use super::store::{Store, failed};

/// Letters that are read at once.
const PAGE: i64 = 200;
/// So many failures end a redrive.
const MAX_FAILURES: usize = 3;

pub(super) struct EmbeddedDeadLetters {
    store: Arc<Store>,
}

#[derive(FromRow)]
struct Row {
    seq: i64,
    message_id: String,
    routing_key: String,
    reason: String,
    dead_since: i64,
    attempts: u32,
    content_type: String,
    traceparent: Option<String>,
    body: Vec<u8>,
}

impl From<Row> for DeadLetter {
    fn from(row: Row) -> Self {
        Self {
            id: row.message_id,
            routing_key: row.routing_key,
            reason: row.reason,
            dead_since: from_micros(row.dead_since),
            attempts: row.attempts,
            content_type: Some(row.content_type),
            traceparent: row.traceparent,
            body: row.body,
        }
    }
}

impl EmbeddedDeadLetters {
    pub(super) fn new(store: Arc<Store>) -> Self {
        Self { store }
    }

    /// The next letters behind `after`, up to `last`.
    async fn page(&self, after: i64, last: i64, limit: i64) -> Result<Vec<Row>, BrokerError> {
        sqlx::query_as(
            "SELECT seq, message_id, routing_key, reason, dead_since, attempts, content_type, traceparent, body
             FROM dead_letters WHERE seq > ?1 AND seq <= ?2 ORDER BY seq LIMIT ?3",
        )
        .bind(after)
        .bind(last)
        .bind(limit)
        .fetch_all(self.store.pool().await?)
        .await
        .map_err(failed)
    }

    /// The newest letter of now.
    async fn last(&self) -> Result<i64, BrokerError> {
        sqlx::query_scalar("SELECT COALESCE(MAX(seq), 0) FROM dead_letters")
            .fetch_one(self.store.pool().await?)
            .await
            .map_err(failed)
    }

    /// Puts a letter into the queue again, in one transaction. False if somebody else
    /// has taken it meanwhile.
    async fn send_back(&self, seq: i64) -> Result<bool, BrokerError> {
        let mut transaction = self.store.write().await?;
        let sent = sqlx::query(
            "INSERT INTO messages (message_id, routing_key, content_type, body, traceparent)
             SELECT message_id, routing_key, content_type, body, traceparent FROM dead_letters WHERE seq = ?1",
        )
        .bind(seq)
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
        sqlx::query("DELETE FROM dead_letters WHERE seq = ?1")
            .bind(seq)
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        transaction.commit().await.map_err(failed)?;
        self.store.arrivals.notify_waiters();
        Ok(sent.rows_affected() > 0)
    }

    async fn send_wanted(
        &self,
        (redrive, wanted): (&Redrive, &mut Wanted),
        report: &mut Redriven,
        tell: &mut (dyn FnMut(u64) + Send),
    ) -> Result<(), BrokerError> {
        let until = Instant::now() + redrive.patience;
        let mut pace = Pace::new(redrive.rate);
        let (mut after, last) = (0, self.last().await?);
        while !wanted.is_done() {
            let rows = self.page(after, last, PAGE).await?;
            let Some(end) = rows.last().map(|row| row.seq) else { break };
            after = end;
            for row in rows {
                if Instant::now() > until {
                    return Ok(());
                }
                let seq = row.seq;
                let summary = DeadLetter::from(row).summary();
                if !wanted.takes(&summary) {
                    continue;
                }
                if report.redriven + report.failed.len() as u64 >= redrive.limit {
                    report.left += 1;
                    continue;
                }
                pace.wait().await;
                match self.send_back(seq).await {
                    Ok(true) => report.redriven += 1,
                    // Somebody else has taken it meanwhile.
                    Ok(false) if !redrive.selection.ids.is_empty() => report.not_found.push(summary.id),
                    Ok(false) => {}
                    Err(error) => report.failed.push(FailedRedrive { id: summary.id, error }),
                }
                // The file's faults are those of every letter.
                if report.failed.len() >= MAX_FAILURES {
                    return Err(BrokerError::Ended("nothing could be written any more"));
                }
                tell(report.redriven);
            }
        }
        report.is_complete = true;
        Ok(())
    }
}

#[async_trait]
impl DeadLetters for EmbeddedDeadLetters {
    async fn list(&self, limit: usize) -> Result<Vec<DeadLetter>, BrokerError> {
        let rows = self.page(0, i64::MAX, i64::try_from(limit).unwrap_or(i64::MAX)).await?;
        Ok(rows.into_iter().map(DeadLetter::from).collect())
    }

    async fn survey(&self, look: &Look) -> Result<Survey, BrokerError> {
        let until = Instant::now() + look.patience;
        let mut wanted = Wanted::new(&look.selection);
        let mut survey = Survey { is_complete: true, ..Survey::default() };
        let (mut after, last) = (0, self.last().await?);
        while !wanted.is_done() {
            let rows = self.page(after, last, PAGE).await?;
            let Some(end) = rows.last().map(|row| row.seq) else { break };
            after = end;
            for summary in rows.into_iter().map(|row| DeadLetter::from(row).summary()) {
                if wanted.takes(&summary) {
                    survey.add(summary, look.limit);
                }
            }
            if Instant::now() > until {
                survey.is_complete = false;
                break;
            }
        }
        survey.keep_oldest(look.limit);
        Ok(survey)
    }

    async fn find(&self, id: &str) -> Result<Option<DeadLetter>, BrokerError> {
        let row: Option<Row> = sqlx::query_as(
            "SELECT seq, message_id, routing_key, reason, dead_since, attempts, content_type, traceparent, body
             FROM dead_letters WHERE message_id = ?1 ORDER BY seq LIMIT 1",
        )
        .bind(id)
        .fetch_optional(self.store.pool().await?)
        .await
        .map_err(failed)?;
        Ok(row.map(DeadLetter::from))
    }

    async fn redrive_many(
        &self,
        redrive: &Redrive,
        tell: &mut (dyn FnMut(u64) + Send),
    ) -> Result<Redriven, BrokerError> {
        self.store.pool().await?;
        let mut wanted = Wanted::new(&redrive.selection);
        let mut report = Redriven::default();
        report.stopped = self.send_wanted((redrive, &mut wanted), &mut report, tell).await.err();
        if report.is_complete {
            report.not_found.extend(wanted.rest());
        }
        Ok(report)
    }

    async fn drop_letter(&self, id: &str) -> Result<bool, BrokerError> {
        let removed = sqlx::query(
            "DELETE FROM dead_letters
             WHERE seq = (SELECT MIN(seq) FROM dead_letters WHERE message_id = ?1)",
        )
        .bind(id)
        .execute(self.store.pool().await?)
        .await
        .map_err(failed)?;
        Ok(removed.rows_affected() > 0)
    }
}
