//! The keys of requests that are about many accounts.

use accrue_chassis::clock;
use sqlx::SqlitePool;
use time::OffsetDateTime;

use crate::ledger::IdempotencyKey;
use crate::store::StoreError;

/// Takes `key` for the request whose fingerprint it has. Whether it is that request's.
pub(super) async fn claim(
    writer: &SqlitePool,
    key: &IdempotencyKey,
    now: OffsetDateTime,
) -> Result<bool, StoreError> {
    let made = sqlx::query(
        "INSERT INTO batch_keys (client, key, fingerprint, recorded_at) VALUES (?, ?, ?, ?)
         ON CONFLICT (client, key) DO NOTHING",
    )
    .bind(&key.client)
    .bind(&key.key)
    .bind(key.fingerprint.as_slice())
    .bind(clock::to_micros(now))
    .execute(writer)
    .await?;
    if made.rows_affected() == 1 {
        return Ok(true);
    }
    let first: Vec<u8> =
        sqlx::query_scalar("SELECT fingerprint FROM batch_keys WHERE client = ? AND key = ?")
            .bind(&key.client)
            .bind(&key.key)
            .fetch_one(writer)
            .await?;
    Ok(first == key.fingerprint)
}
