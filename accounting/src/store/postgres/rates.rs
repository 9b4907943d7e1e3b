//! Rates on PostgreSQL: which version prices what, and making the next one.

use std::collections::BTreeSet;

use async_trait::async_trait;
use sqlx::{Connection as _, PgConnection};
use time::OffsetDateTime;

use super::{PostgresLedger, read, rows, save_resources};
use crate::ledger::{Accounts, Command};
use crate::rates::{EffectiveInPast, RateOrder, RateVersion, Revision, revise};
use crate::store::rates::MAX_WAITING;
use crate::store::{RateStanding, RateStore, StoreError, named};

/// Step 2, continued. The rates in force of the resources whose units `commands` name.
pub(super) async fn load(
    connection: &mut PgConnection,
    accounts: &mut Accounts,
    commands: &[Command],
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    let priced = named::resources_priced(accounts, commands);
    let resources: BTreeSet<&str> = priced.iter().map(|(_, resource)| resource.as_str()).collect();
    if resources.is_empty() {
        return Ok(());
    }
    let resources: Vec<&str> = resources.into_iter().collect();
    let found = in_force(connection, &resources, now).await?;
    for (user_id, resource) in &priced {
        let rate = found.iter().find(|rate| rate.resource == *resource);
        if let (Some(rate), Some(state)) = (rate, accounts.get_mut(user_id)) {
            state.rates.insert(resource.clone(), rate.clone());
        }
    }
    Ok(())
}

async fn in_force(
    connection: &mut PgConnection,
    resources: &[&str],
    at: OffsetDateTime,
) -> Result<Vec<RateVersion>, StoreError> {
    let rows = sqlx::query(
        "SELECT rate.* FROM UNNEST($1::text[]) AS wanted (resource)
         CROSS JOIN LATERAL (
             SELECT * FROM rate_versions WHERE resource = wanted.resource AND effective_at <= $2
             ORDER BY version DESC LIMIT 1
         ) AS rate",
    )
    .bind(resources)
    .bind(at)
    .fetch_all(connection)
    .await?;
    rows.iter().map(rows::rate_version).collect()
}

/// Of each resource the version in force, and the newest of those that wait.
async fn standing(
    connection: &mut PgConnection,
    resources: Vec<String>,
    at: OffsetDateTime,
) -> Result<Vec<RateStanding>, StoreError> {
    let rows = sqlx::query(
        "SELECT rate.* FROM UNNEST($1::text[]) AS wanted (resource)
         CROSS JOIN LATERAL (
             (SELECT * FROM rate_versions WHERE resource = wanted.resource AND effective_at <= $2
              ORDER BY version DESC LIMIT 1)
             UNION ALL
             (SELECT * FROM rate_versions WHERE resource = wanted.resource AND effective_at > $2
              ORDER BY version DESC LIMIT $3)
         ) AS rate",
    )
    .bind(&resources)
    .bind(at)
    .bind(i64::from(MAX_WAITING))
    .fetch_all(connection)
    .await?;
    let versions: Vec<RateVersion> = rows.iter().map(rows::rate_version).collect::<Result<_, _>>()?;
    let of_one = |resource: String| {
        let versions: Vec<RateVersion> =
            versions.iter().filter(|one| one.resource == resource).cloned().collect();
        RateStanding::new(resource, &versions, at)
    };
    Ok(resources.into_iter().map(of_one).collect())
}

/// The highest version. The caller holds the resource's row.
async fn latest(connection: &mut PgConnection, resource: &str) -> Result<Option<RateVersion>, StoreError> {
    let query = "SELECT * FROM rate_versions WHERE resource = $1 ORDER BY version DESC LIMIT 1";
    let row = sqlx::query(query).bind(resource).fetch_optional(connection).await?;
    row.as_ref().map(rows::rate_version).transpose()
}

async fn insert(connection: &mut PgConnection, rate: &RateVersion) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO rate_versions (resource, version, effective_at, units, actor, recorded_at)
         VALUES ($1, $2, $3, $4::json, $5, $6)",
    )
    .bind(&rate.resource)
    .bind(rate.version)
    .bind(rate.effective_at)
    .bind(save_resources::json(rate.card.units()))
    .bind(&rate.actor)
    .bind(rate.recorded_at)
    .execute(connection)
    .await?;
    Ok(())
}

#[async_trait]
impl RateStore for PostgresLedger {
    async fn put_rate(&self, order: &RateOrder) -> Result<Result<Revision, EffectiveInPast>, StoreError> {
        let mut connection = self.writers.acquire().await?;
        let mut transaction = connection.begin().await?;
        // A row that is not there cannot be locked, and what it guards is read in a later
        // statement: one that has waited still sees the versions as they were before.
        sqlx::query("INSERT INTO rates (resource, created_at) VALUES ($1, $2) ON CONFLICT DO NOTHING")
            .bind(&order.resource)
            .bind(read::now(&mut *transaction, &*self.clock).await?)
            .execute(&mut *transaction)
            .await?;
        sqlx::query("SELECT 1 FROM rates WHERE resource = $1 FOR UPDATE")
            .bind(&order.resource)
            .execute(&mut *transaction)
            .await?;
        let latest = latest(&mut transaction, &order.resource).await?;
        let now = read::now(&mut *transaction, &*self.clock).await?;
        let revision = revise(latest.as_ref(), order, now);
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
        let query = "SELECT resource FROM rates WHERE resource = $1";
        let mut connection = self.readers.acquire().await?;
        let found: Option<String> =
            sqlx::query_scalar(query).bind(resource).fetch_optional(&mut *connection).await?;
        let found = found.into_iter().collect();
        let now = read::now(&mut *connection, &*self.clock).await?;
        Ok(standing(&mut connection, found, now).await?.pop())
    }

    async fn rates(&self, after: Option<&str>, limit: u32) -> Result<Vec<RateStanding>, StoreError> {
        let mut connection = self.readers.acquire().await?;
        let found: Vec<String> = sqlx::query_scalar(
            "SELECT resource FROM rates WHERE $1::text IS NULL OR resource > $1 ORDER BY resource LIMIT $2",
        )
        .bind(after)
        .bind(i64::from(limit))
        .fetch_all(&mut *connection)
        .await?;
        let now = read::now(&mut *connection, &*self.clock).await?;
        standing(&mut connection, found, now).await
    }

    async fn rate_at(
        &self,
        resource: &str,
        at: Option<OffsetDateTime>,
    ) -> Result<Option<RateVersion>, StoreError> {
        let mut connection = self.readers.acquire().await?;
        let at = match at {
            Some(at) => at,
            None => read::now(&mut *connection, &*self.clock).await?,
        };
        Ok(in_force(&mut connection, &[resource], at).await?.pop())
    }

    async fn rate_version(&self, resource: &str, version: i64) -> Result<Option<RateVersion>, StoreError> {
        let query = "SELECT * FROM rate_versions WHERE resource = $1 AND version = $2";
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
            "SELECT * FROM rate_versions WHERE resource = $1 AND version < $2 ORDER BY version DESC LIMIT $3",
        )
        .bind(resource)
        .bind(before.unwrap_or(i64::MAX))
        .bind(i64::from(limit))
        .fetch_all(&self.readers)
        .await?;
        rows.iter().map(rows::rate_version).collect()
    }
}
