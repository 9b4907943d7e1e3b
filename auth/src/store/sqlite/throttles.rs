//! Throttles in SQLite: one row a counter, those of the past cleared away on the way.

use accrue_chassis::clock::to_micros;
use async_trait::async_trait;
use sqlx::Connection as _;

use super::{BEGIN, SqliteStore, StoreError, fault};
use crate::store::{Throttle, ThrottleStore};

#[async_trait]
impl ThrottleStore for SqliteStore {
    async fn count(&self, throttle: &Throttle) -> Result<bool, StoreError> {
        let (writer, now) = (self.writer.clone(), to_micros(self.clock.now()));
        let clear = sqlx::query(
            "DELETE FROM throttles WHERE throttle_key IN
                 (SELECT throttle_key FROM throttles WHERE expires_at <= ?1 ORDER BY expires_at LIMIT 20)",
        )
        .bind(now);
        let count = sqlx::query(
            "INSERT INTO throttles (throttle_key, tries, expires_at) VALUES (?1, 1, ?2)
             ON CONFLICT DO UPDATE SET tries = tries + 1 WHERE tries < ?3",
        )
        .bind(throttle.key.to_vec())
        .bind(to_micros(throttle.expires_at))
        .bind(throttle.admits);
        self.calls
            .run(async move {
                let mut connection = writer.acquire().await.map_err(fault)?;
                let mut transaction = connection.begin_with(BEGIN).await.map_err(fault)?;
                clear.execute(&mut *transaction).await.map_err(fault)?;
                let counted = count.execute(&mut *transaction).await.map_err(fault)?.rows_affected() > 0;
                transaction.commit().await.map_err(fault)?;
                Ok(counted)
            })
            .await
    }

    async fn uncount(&self, throttle: &Throttle) -> Result<(), StoreError> {
        let writer = self.writer.clone();
        let uncount =
            sqlx::query("UPDATE throttles SET tries = tries - 1 WHERE throttle_key = ?1 AND tries > 0")
                .bind(throttle.key.to_vec());
        self.calls.run(async move { uncount.execute(&writer).await.map(drop).map_err(fault) }).await
    }
}
