//! The keys of requests that are about many accounts.

use sqlx::PgPool;
use time::OffsetDateTime;

use crate::ledger::IdempotencyKey;
use crate::store::StoreError;

/// Takes `key` for the request whose fingerprint it has. Whether it is that request's.
/// Of two that come at once the second waits for the first.
pub(super) async fn claim(
    pool: &PgPool,
    key: &IdempotencyKey,
    now: OffsetDateTime,
) -> Result<bool, StoreError> {
    let made = sqlx::query(
        "INSERT INTO batch_keys (client, key, fingerprint, recorded_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (client, key) DO NOTHING",
    )
    .bind(&key.client)
    .bind(&key.key)
    .bind(key.fingerprint.as_slice())
    .bind(now)
    .execute(pool)
    .await?;
    if made.rows_affected() == 1 {
        return Ok(true);
    }
    let first: Vec<u8> =
        sqlx::query_scalar("SELECT fingerprint FROM batch_keys WHERE client = $1 AND key = $2")
            .bind(&key.client)
            .bind(&key.key)
            .fetch_one(pool)
            .await?;
    Ok(first == key.fingerprint)
}
