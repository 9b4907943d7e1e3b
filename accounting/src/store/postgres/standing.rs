//! How accounts stand with auth's users, on PostgreSQL.

use std::collections::BTreeSet;

use async_trait::async_trait;
use sqlx::Row as _;

use super::{PostgresLedger, read};
use crate::ledger::IdempotencyKey;
use crate::store::{AccountView, Placeholders, StandingStore, StoreError};

#[async_trait]
impl StandingStore for PostgresLedger {
    async fn accounts_in_order(&self, after: &str, limit: u32) -> Result<Vec<AccountView>, StoreError> {
        let (mut snapshot, now) = read::snapshot_of_now(&self.readers, &*self.clock).await?;
        let rows = sqlx::query("SELECT * FROM accounts WHERE user_id > $1 ORDER BY user_id LIMIT $2")
            .bind(after)
            .bind(i64::from(limit))
            .fetch_all(&mut *snapshot)
            .await?;
        let views = read::settled_views(&mut snapshot, &rows, now).await?;
        snapshot.commit().await?;
        Ok(views)
    }

    async fn missing_accounts(&self, user_ids: &[&str]) -> Result<BTreeSet<String>, StoreError> {
        let missing = sqlx::query_scalar(
            "SELECT user_id FROM UNNEST($1::text[]) AS wanted (user_id)
             WHERE NOT EXISTS (SELECT FROM accounts WHERE accounts.user_id = wanted.user_id)",
        );
        let missing: Vec<String> = missing.bind(user_ids).fetch_all(&self.readers).await?;
        Ok(missing.into_iter().collect())
    }

    async fn is_key_used(&self, user_id: &str, key: &IdempotencyKey) -> Result<bool, StoreError> {
        let query = "SELECT EXISTS (
             SELECT FROM idempotency_keys WHERE user_id = $1 AND client = $2 AND key = $3
         )";
        let found = sqlx::query_scalar(query).bind(user_id).bind(&key.client).bind(&key.key);
        Ok(found.fetch_one(&self.readers).await?)
    }

    async fn placeholders(&self) -> Result<Placeholders, StoreError> {
        // Each by the index of the states: the oldest is found at its end, however many there are.
        let query = "SELECT
             (SELECT count(*) FROM accounts WHERE status = 'placeholder'),
             (SELECT created_at FROM accounts
              WHERE status = 'placeholder' AND available + reserved + pending > 0
              ORDER BY created_at, user_id LIMIT 1)";
        let row = sqlx::query(query).fetch_one(&self.readers).await?;
        Ok(Placeholders { count: row.try_get(0)?, oldest_since: row.try_get(1)? })
    }
}
