//! Signing keys in SQLite.

use accrue_chassis::clock::{from_micros, to_micros};
use async_trait::async_trait;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::{SqliteStore, StoreError, fault};
use crate::sealing::Sealed;
use crate::store::SigningKeyStore;
use crate::tokens::{SigningAlgorithm, SigningKeyRecord};

#[async_trait]
impl SigningKeyStore for SqliteStore {
    async fn signing_keys(&self) -> Result<Vec<SigningKeyRecord>, StoreError> {
        let readers = self.readers.clone();
        let query = sqlx::query(
            "SELECT generation, key_id, algorithm, public_jwk, sealed_under, sealed, created_at, signs_from
             FROM signing_keys ORDER BY generation",
        );
        let rows = self.calls.run(async move { query.fetch_all(&readers).await.map_err(fault) }).await?;
        rows.iter().map(read).collect()
    }

    async fn add_signing_key(&self, key: &SigningKeyRecord) -> Result<bool, StoreError> {
        let (writer, key) = (self.writer.clone(), key.clone());
        let written = self.calls.run(async move {
            sqlx::query(
                "INSERT INTO signing_keys (generation, key_id, algorithm, public_jwk, sealed_under, sealed,
                                           created_at, signs_from)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (generation) DO NOTHING",
            )
            .bind(key.generation)
            .bind(key.key_id)
            .bind(key.algorithm.word())
            .bind(key.public_jwk)
            .bind(key.private_key.key_id)
            .bind(key.private_key.bytes)
            .bind(to_micros(key.created_at))
            .bind(to_micros(key.signs_from))
            .execute(&writer)
            .await
            .map_err(fault)
        });
        Ok(written.await?.rows_affected() > 0)
    }

    async fn reseal_signing_key(
        &self,
        generation: i64,
        from: &Sealed,
        to: &Sealed,
    ) -> Result<bool, StoreError> {
        let (writer, from, to) = (self.writer.clone(), from.clone(), to.clone());
        let written = self.calls.run(async move {
            sqlx::query(
                "UPDATE signing_keys SET sealed_under = ?3, sealed = ?4
                 WHERE generation = ?1 AND sealed = ?2",
            )
            .bind(generation)
            .bind(from.bytes)
            .bind(to.key_id)
            .bind(to.bytes)
            .execute(&writer)
            .await
            .map_err(fault)
        });
        Ok(written.await?.rows_affected() > 0)
    }

    async fn delete_signing_keys_below(&self, generation: i64) -> Result<(), StoreError> {
        let writer = self.writer.clone();
        let query = sqlx::query("DELETE FROM signing_keys WHERE generation < ?1").bind(generation);
        self.calls.run(async move { query.execute(&writer).await.map(drop).map_err(fault) }).await
    }
}

fn read(row: &SqliteRow) -> Result<SigningKeyRecord, StoreError> {
    let time = |column: &str| {
        let micros: i64 = row.try_get(column).map_err(fault)?;
        from_micros(micros).ok_or_else(|| StoreError::corrupt("a time out of range"))
    };
    let algorithm: &str = row.try_get("algorithm").map_err(fault)?;
    Ok(SigningKeyRecord {
        generation: row.try_get("generation").map_err(fault)?,
        key_id: row.try_get("key_id").map_err(fault)?,
        algorithm: SigningAlgorithm::from_word(algorithm)
            .ok_or_else(|| StoreError::corrupt("an unknown algorithm"))?,
        public_jwk: row.try_get("public_jwk").map_err(fault)?,
        private_key: Sealed {
            key_id: row.try_get("sealed_under").map_err(fault)?,
            bytes: row.try_get("sealed").map_err(fault)?,
        },
        created_at: time("created_at")?,
        signs_from: time("signs_from")?,
    })
}
