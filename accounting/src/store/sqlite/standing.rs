//! How accounts stand with auth's users, in a SQLite file.

use std::collections::BTreeSet;

use accrue_chassis::clock;
use async_trait::async_trait;
use sqlx::Row as _;

use super::{SqliteLedger, read};
use crate::ledger::IdempotencyKey;
use crate::store::{AccountView, Placeholders, StandingStore, StoreError};

#[async_trait]
impl StandingStore for SqliteLedger {
    async fn accounts_in_order(&self, after: &str, limit: u32) -> Result<Vec<AccountView>, StoreError> {
        let mut snapshot = read::snapshot(&self.readers).await?;
        let rows = sqlx::query("SELECT * FROM accounts WHERE user_id > ?1 ORDER BY user_id LIMIT ?2")
            .bind(after)
            .bind(i64::from(limit))
            .fetch_all(&mut *snapshot)
            .await?;
        let views = read::settled_views(&mut snapshot, &rows, self.clock.now()).await?;
        snapshot.commit().await?;
        Ok(views)
    }

    async fn missing_accounts(&self, user_ids: &[&str]) -> Result<BTreeSet<String>, StoreError> {
        // There is no network between the questions, so nothing is gained by asking them together.
        let mut connection = self.readers.acquire().await?;
        let mut missing = BTreeSet::new();
        for user_id in user_ids {
            let found: Option<i64> = sqlx::query_scalar("SELECT 1 FROM accounts WHERE user_id = ?1")
                .bind(*user_id)
                .fetch_optional(&mut *connection)
                .await?;
            if found.is_none() {
                missing.insert((*user_id).to_owned());
            }
        }
        Ok(missing)
    }

    async fn is_key_used(&self, user_id: &str, key: &IdempotencyKey) -> Result<bool, StoreError> {
        let query = "SELECT 1 FROM idempotency_keys WHERE user_id = ?1 AND client = ?2 AND key = ?3";
        let found = sqlx::query_scalar::<_, i64>(query).bind(user_id).bind(&key.client).bind(&key.key);
        Ok(found.fetch_optional(&self.readers).await?.is_some())
    }

    async fn placeholders(&self) -> Result<Placeholders, StoreError> {
        // Each by the index of the states: the oldest is found at its end, however many there are.
        let query = "SELECT
             (SELECT count(*) FROM accounts WHERE status = 'placeholder'),
             (SELECT created_at FROM accounts
              WHERE status = 'placeholder' AND available + reserved + pending > 0
              ORDER BY created_at, user_id LIMIT 1)";
        let row = sqlx::query(query).fetch_one(&self.readers).await?;
        let oldest_since: Option<i64> = row.try_get(1)?;
        Ok(Placeholders { count: row.try_get(0)?, oldest_since: oldest_since.and_then(clock::from_micros) })
    }
}
