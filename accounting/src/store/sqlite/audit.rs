//! Reading everything for an audit, in snapshots.

use async_trait::async_trait;
use sqlx::sqlite::{Sqlite, SqlitePool, SqliteRow};
use sqlx::{Row as _, Transaction};
use uuid::Uuid;

use super::{made, read, rows};
use crate::ledger::{Account, Allocation, Entry, Reservation, Usage};
use crate::store::StoreError;
use crate::store::audit::{AuditSource, Snapshot, Stored};
use crate::store::made::{MadeRows, OwnEntry};

/// A database to be audited.
pub(in crate::store) struct Source(pub(super) SqlitePool);

#[async_trait]
impl AuditSource for Source {
    async fn snapshot(&self) -> Result<Box<dyn Snapshot>, StoreError> {
        Ok(Box::new(View(read::snapshot(&self.0).await?)))
    }
}

struct View(Transaction<'static, Sqlite>);

/// Rows with their digests.
fn stored<K, T>(
    found: &[SqliteRow],
    key: fn(&SqliteRow) -> Result<K, sqlx::Error>,
    row: fn(&SqliteRow) -> Result<T, StoreError>,
    digest: Option<&str>,
) -> Result<Vec<Stored<K, T>>, StoreError> {
    let each = |one: &SqliteRow| {
        let digest = digest.map(|column| one.try_get::<Option<Vec<u8>>, _>(column)).transpose()?.flatten();
        Ok(Stored { user_id: one.try_get("user_id")?, key: key(one)?, row: row(one), digest })
    };
    found.iter().map(each).collect()
}

#[async_trait]
impl Snapshot for View {
    async fn accounts(
        &mut self,
        from: &str,
        until: &str,
        limit: i64,
    ) -> Result<Vec<Stored<(), Account>>, StoreError> {
        let query = "SELECT * FROM accounts WHERE user_id >= ?1 AND user_id <= ?2 ORDER BY user_id LIMIT ?3";
        let query = sqlx::query(query).bind(from.to_owned()).bind(until.to_owned()).bind(limit);
        stored(&query.fetch_all(&mut *self.0).await?, |_| Ok(()), rows::account, None)
    }

    async fn entries(
        &mut self,
        (user_id, seq): (&str, i64),
        until: &str,
        limit: i64,
    ) -> Result<Vec<Stored<i64, Entry>>, StoreError> {
        let query = "SELECT * FROM entries WHERE (user_id, seq) >= (?1, ?2) AND user_id <= ?3
                     ORDER BY user_id, seq LIMIT ?4";
        let query = sqlx::query(query).bind(user_id.to_owned()).bind(seq);
        let found = query.bind(until.to_owned()).bind(limit).fetch_all(&mut *self.0).await?;
        stored(&found, |row| row.try_get("seq"), rows::entry, Some("hash"))
    }

    async fn allocations(
        &mut self,
        (user_id, id): (&str, Uuid),
        until: &str,
        limit: i64,
    ) -> Result<Vec<Stored<Uuid, Allocation>>, StoreError> {
        let query = "SELECT * FROM credit_allocations WHERE (user_id, id) >= (?1, ?2) AND user_id <= ?3
                     ORDER BY user_id, id LIMIT ?4";
        let query = sqlx::query(query).bind(user_id.to_owned()).bind(id);
        let found = query.bind(until.to_owned()).bind(limit).fetch_all(&mut *self.0).await?;
        stored(&found, |row| row.try_get("id"), rows::allocation, Some("terms_digest"))
    }

    async fn usages(
        &mut self,
        (user_id, id): (&str, Uuid),
        until: &str,
        limit: i64,
    ) -> Result<Vec<Stored<Uuid, Usage>>, StoreError> {
        let query = "SELECT * FROM usages WHERE (user_id, id) >= (?1, ?2) AND user_id <= ?3
                     ORDER BY user_id, id LIMIT ?4";
        let query = sqlx::query(query).bind(user_id.to_owned()).bind(id);
        let found = query.bind(until.to_owned()).bind(limit).fetch_all(&mut *self.0).await?;
        stored(&found, |row| row.try_get("id"), rows::usage, None)
    }

    async fn reservations(
        &mut self,
        (user_id, id): (&str, Uuid),
        until: &str,
        limit: i64,
    ) -> Result<Vec<Stored<Uuid, Reservation>>, StoreError> {
        let query = "SELECT * FROM reservations WHERE (user_id, id) >= (?1, ?2) AND user_id <= ?3
                     ORDER BY user_id, id LIMIT ?4";
        let query = sqlx::query(query).bind(user_id.to_owned()).bind(id);
        let found = query.bind(until.to_owned()).bind(limit).fetch_all(&mut *self.0).await?;
        stored(&found, |row| row.try_get("id"), rows::reservation, Some("terms_digest"))
    }

    async fn made(&mut self, entries: &[OwnEntry]) -> Result<MadeRows, StoreError> {
        made::made(&mut self.0, entries).await
    }
}
