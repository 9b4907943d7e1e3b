//! Reading allocations, usages and reservations as they are now.

use accrue_chassis::clock::Clock;
use sqlx::PgPool;
use uuid::Uuid;

use super::{read, rows};
use crate::ledger::{Reservation, Usage};
use crate::store::{AllocationAt, StoreError};

/// One allocation.
pub(super) async fn allocation(
    pool: &PgPool,
    (user_id, id): (&str, Uuid),
    clock: &dyn Clock,
) -> Result<Option<AllocationAt>, StoreError> {
    let (mut snapshot, now) = read::snapshot_of_now(pool, clock).await?;
    let state = read::settled(&mut snapshot, user_id, now).await?;
    let query = "SELECT * FROM credit_allocations WHERE user_id = $1 AND id = $2";
    let row = sqlx::query(query).bind(user_id).bind(id).fetch_optional(&mut *snapshot).await?;
    snapshot.commit().await?;
    let settled = state.as_ref().and_then(|state| state.allocations.get(id)).cloned();
    let allocation = match settled {
        Some(allocation) => Some(allocation),
        None => row.as_ref().map(rows::allocation).transpose()?,
    };
    Ok(allocation.map(|allocation| AllocationAt { allocation, at: now }))
}

/// A page of allocations, newest first.
pub(super) async fn allocations(
    pool: &PgPool,
    (user_id, before): (&str, Option<Uuid>),
    limit: u32,
    clock: &dyn Clock,
) -> Result<Vec<AllocationAt>, StoreError> {
    let (mut snapshot, now) = read::snapshot_of_now(pool, clock).await?;
    let state = read::settled(&mut snapshot, user_id, now).await?;
    let rows = sqlx::query(
        "SELECT * FROM credit_allocations WHERE user_id = $1 AND ($2::uuid IS NULL OR id < $2)
         ORDER BY id DESC LIMIT $3",
    )
    .bind(user_id)
    .bind(before)
    .bind(i64::from(limit))
    .fetch_all(&mut *snapshot)
    .await?;
    snapshot.commit().await?;
    let as_now = |row| {
        let stored = rows::allocation(row)?;
        let settled = state.as_ref().and_then(|state| state.allocations.get(stored.id)).cloned();
        Ok(AllocationAt { allocation: settled.unwrap_or(stored), at: now })
    };
    rows.iter().map(as_now).collect()
}

/// One usage.
pub(super) async fn usage(pool: &PgPool, (user_id, id): (&str, Uuid)) -> Result<Option<Usage>, StoreError> {
    let query = "SELECT * FROM usages WHERE user_id = $1 AND id = $2";
    let row = sqlx::query(query).bind(user_id).bind(id).fetch_optional(pool).await?;
    row.as_ref().map(rows::usage).transpose()
}

/// A page of usages, newest first.
pub(super) async fn usages(
    pool: &PgPool,
    (user_id, before): (&str, Option<Uuid>),
    limit: u32,
) -> Result<Vec<Usage>, StoreError> {
    let rows = sqlx::query(
        "SELECT * FROM usages WHERE user_id = $1 AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3",
    )
    .bind(user_id)
    .bind(before)
    .bind(i64::from(limit))
    .fetch_all(pool)
    .await?;
    rows.iter().map(rows::usage).collect()
}

/// One reservation.
pub(super) async fn reservation(
    pool: &PgPool,
    (user_id, id): (&str, Uuid),
    clock: &dyn Clock,
) -> Result<Option<Reservation>, StoreError> {
    let (mut snapshot, now) = read::snapshot_of_now(pool, clock).await?;
    let state = read::settled(&mut snapshot, user_id, now).await?;
    let query = "SELECT * FROM reservations WHERE user_id = $1 AND id = $2";
    let row = sqlx::query(query).bind(user_id).bind(id).fetch_optional(&mut *snapshot).await?;
    snapshot.commit().await?;
    match state.as_ref().and_then(|state| state.reservations.get(id)) {
        Some(settled) => Ok(Some(settled.clone())),
        None => row.as_ref().map(rows::reservation).transpose(),
    }
}

/// A page of reservations, newest first.
pub(super) async fn reservations(
    pool: &PgPool,
    (user_id, before): (&str, Option<Uuid>),
    limit: u32,
    clock: &dyn Clock,
) -> Result<Vec<Reservation>, StoreError> {
    let (mut snapshot, now) = read::snapshot_of_now(pool, clock).await?;
    let state = read::settled(&mut snapshot, user_id, now).await?;
    let rows = sqlx::query(
        "SELECT * FROM reservations WHERE user_id = $1 AND ($2::uuid IS NULL OR id < $2)
         ORDER BY id DESC LIMIT $3",
    )
    .bind(user_id)
    .bind(before)
    .bind(i64::from(limit))
    .fetch_all(&mut *snapshot)
    .await?;
    snapshot.commit().await?;
    let as_now = |row| {
        let stored = rows::reservation(row)?;
        let settled = state.as_ref().and_then(|state| state.reservations.get(stored.id)).cloned();
        Ok(settled.unwrap_or(stored))
    };
    rows.iter().map(as_now).collect()
}
