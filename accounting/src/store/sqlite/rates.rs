//! Rates on SQLite: which version prices what, and making the next one.

use accrue_chassis::clock;
use async_trait::async_trait;
use sqlx::{Connection as _, SqliteConnection};
use time::OffsetDateTime;

use super::{SqliteLedger, rows, save_resources};
use crate::ledger::{Accounts, Command};
use crate::rates::{EffectiveInPast, RateOrder, RateVersion, Revision, revise};
use crate::store::rates::MAX_WAITING;
use crate::store::{RateStanding, RateStore, StoreError, named};

/// The rates in force of the resources whose units `commands` name.
pub(super) async fn load(
    connection: &mut SqliteConnection,
    accounts: &mut Accounts,
    commands: &[Command],
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    for (user_id, resource) in named::resources_priced(accounts, commands) {
        let rate = in_force(connection, &resource, now).await?;
        if let (Some(rate), Some(state)) = (rate, accounts.get_mut(&user_id)) {
            state.rates.insert(resource, rate);
        }
    }
    Ok(())
}

async fn in_force(
    connection: &mut SqliteConnection,
    resource: &str,
    at: OffsetDateTime,
) -> Result<Option<RateVersion>, StoreError> {
    let row = sqlx::query(
        "SELECT * FROM rate_versions WHERE resource = ?1 AND effective_at <= ?2 ORDER BY version DESC LIMIT 1",
    )
    .bind(resource)
    .bind(clock::to_micros(at))
    .fetch_optional(connection)
    .await?;
    row.as_ref().map(rows::rate_version).transpose()
}

/// The version in force, and the newest of those that wait.
async fn standing(
    connection: &mut SqliteConnection,
    resource: String,
    at: OffsetDateTime,
) -> Result<RateStanding, StoreError> {
    let in_force = in_force(connection, &resource, at).await?;
    let rows = sqlx::query(
        "SELECT * FROM rate_versions WHERE resource = ?1 AND effective_at > ?2 ORDER BY version DESC LIMIT ?3",
    )
    .bind(&resource)
    .bind(clock::to_micros(at))
    .bind(i64::from(MAX_WAITING))
    .fetch_all(connection)
    .await?;
    let waiting = rows.iter().map(rows::rate_version);
    let versions: Vec<RateVersion> = in_force.into_iter().map(Ok).chain(waiting).collect::<Result<_, _>>()?;
    Ok(RateStanding::new(resource, &versions, at))
}

/// The highest version. The caller holds the write lock.
async fn latest(
    connection: &mut SqliteConnection,
    resource: &str,
) -> Result<Option<RateVersion>, StoreError> {
    let query = "SELECT * FROM rate_versions WHERE resource = ?1 ORDER BY version DESC LIMIT 1";
    let row = sqlx::query(query).bind(resource).fetch_optional(connection).await?;
    row.as_ref().map(rows::rate_version).transpose()
}

async fn insert(connection: &mut SqliteConnection, rate: &RateVersion) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO rates (resource, created_at) VALUES (?1, ?2) ON CONFLICT DO NOTHING")
        .bind(&rate.resource)
        .bind(clock::to_micros(rate.recorded_at))
        .execute(&mut *connection)
        .await?;
    sqlx::query(
        "INSERT INTO rate_versions (resource, version, effective_at, units, actor, recorded_at)
         VALUES (?, ?, ?, ?, ?, ?)",
    )
    .bind(&rate.resource)
    .bind(rate.version)
    .bind(clock::to_micros(rate.effective_at))
    .bind(save_resources::json(rate.card.units()))
    .bind(&rate.actor)
    .bind(clock::to_micros(rate.recorded_at))
    .execute(connection)
    .await?;
    Ok(())
}

#[async_trait]
impl RateStore for SqliteLedger {
    async fn put_rate(&self, order: &RateOrder) -> Result<Result<Revision, EffectiveInPast>, StoreError> {
        let mut connection = self.writer.acquire().await?;
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        let latest = latest(&mut transaction, &order.resource).await?;
        let revision = revise(latest.as_ref(), order, self.clock.now());
        match &revision {
            Ok(Revision::Made(rate)) => {
                insert(&mut transaction, rate).await?;
                transaction.commit().await?;
            }
            Ok(Revision::Unchanged(_)) | Err(EffectiveInPast) => transaction.rollback().await?,
        }
        Ok(revision)
    }

    async fn rate(&self, resource: &str) -> Result<Option<RateStanding>, StoreError> {
        let query = "SELECT resource FROM rates WHERE resource = ?1";
        let mut connection = self.readers.acquire().await?;
        let found: Option<String> =
            sqlx::query_scalar(query).bind(resource).fetch_optional(&mut *connection).await?;
        match found {
            Some(resource) => Ok(Some(standing(&mut connection, resource, self.clock.now()).await?)),
            None => Ok(None),
        }
    }

    async fn rates(&self, after: Option<&str>, limit: u32) -> Result<Vec<RateStanding>, StoreError> {
        let mut connection = self.readers.acquire().await?;
        let found: Vec<String> = sqlx::query_scalar(
            "SELECT resource FROM rates WHERE ?1 IS NULL OR resource > ?1 ORDER BY resource LIMIT ?2",
        )
        .bind(after)
        .bind(i64::from(limit))
        .fetch_all(&mut *connection)
        .await?;
        let mut rates = Vec::with_capacity(found.len());
        for resource in found {
            rates.push(standing(&mut connection, resource, self.clock.now()).await?);
        }
        Ok(rates)
    }

    async fn rate_at(
        &self,
        resource: &str,
        at: Option<OffsetDateTime>,
    ) -> Result<Option<RateVersion>, StoreError> {
        let at = at.unwrap_or_else(|| self.clock.now());
        let mut connection = self.readers.acquire().await?;
        in_force(&mut connection, resource, at).await
    }

    async fn rate_version(&self, resource: &str, version: i64) -> Result<Option<RateVersion>, StoreError> {
        let query = "SELECT * FROM rate_versions WHERE resource = ?1 AND version = ?2";
        let row = sqlx::query(query).bind(resource).bind(version).fetch_optional(&self.readers).await?;
        row.as_ref().map(rows::rate_version).transpose()
    }

    async fn rate_versions(
        &self,
        resource: &str,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<RateVersion>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM rate_versions WHERE resource = ?1 AND version < ?2 ORDER BY version DESC LIMIT ?3",
        )
        .bind(resource)
        .bind(before.unwrap_or(i64::MAX))
        .bind(i64::from(limit))
        .fetch_all(&self.readers)
        .await?;
        rows.iter().map(rows::rate_version).collect()
    }
}
