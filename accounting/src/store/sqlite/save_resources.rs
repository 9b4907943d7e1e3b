//! Writing allocations, usages and reservations of an account, row by row.

use accrue_chassis::clock;
use serde::Serialize;
use sqlx::SqliteConnection;

use crate::ledger::{AccountState, Allocation, Change, Reservation, Usage};
use crate::store::{StoreError, pending_digest, reservation_digest};

/// Writes what the batch made and changed.
pub(super) async fn save(
    connection: &mut SqliteConnection,
    user_id: &str,
    state: &AccountState,
) -> Result<(), StoreError> {
    for allocation in state.allocations.with(Change::Made) {
        insert_allocation(connection, user_id, allocation).await?;
    }
    for allocation in state.allocations.with(Change::Updated) {
        update_allocation(connection, user_id, allocation).await?;
    }
    for usage in state.usages.with(Change::Made) {
        insert_usage(connection, user_id, usage).await?;
    }
    for usage in state.usages.with(Change::Updated) {
        update_usage(connection, user_id, usage).await?;
    }
    for reservation in state.reservations.with(Change::Made) {
        insert_reservation(connection, user_id, reservation).await?;
    }
    for reservation in state.reservations.with(Change::Updated) {
        update_reservation(connection, user_id, reservation).await?;
    }
    Ok(())
}

/// As the database takes JSON that nobody's text is in.
pub(super) fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("ids and numbers always serialise")
}

async fn insert_allocation(
    connection: &mut SqliteConnection,
    user_id: &str,
    allocation: &Allocation,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO credit_allocations
             (user_id, id, credits, remaining, reserved, priority, effective_at, is_pending, expires_at,
              is_voided, reason, metadata, actor, recorded_at, terms_digest)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(user_id)
    .bind(allocation.id)
    .bind(allocation.credits)
    .bind(allocation.remaining)
    .bind(allocation.reserved)
    .bind(allocation.priority)
    .bind(allocation.effective_at.map(clock::to_micros))
    .bind(allocation.is_pending)
    .bind(allocation.expires_at.map(clock::to_micros))
    .bind(allocation.is_voided)
    .bind(&allocation.reason)
    .bind(allocation.metadata.as_ref().map(ToString::to_string))
    .bind(&allocation.actor)
    .bind(clock::to_micros(allocation.recorded_at))
    .bind(pending_digest(user_id, allocation))
    .execute(connection)
    .await?;
    Ok(())
}

async fn update_allocation(
    connection: &mut SqliteConnection,
    user_id: &str,
    allocation: &Allocation,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE credit_allocations SET remaining = ?, reserved = ?, is_pending = ?, is_voided = ?
         WHERE user_id = ? AND id = ?",
    )
    .bind(allocation.remaining)
    .bind(allocation.reserved)
    .bind(allocation.is_pending)
    .bind(allocation.is_voided)
    .bind(user_id)
    .bind(allocation.id)
    .execute(connection)
    .await?;
    Ok(())
}

async fn insert_usage(
    connection: &mut SqliteConnection,
    user_id: &str,
    usage: &Usage,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO usages (user_id, id, credits, refunded, uncollected, resource, metadata, reservation_id,
                             draws, actor, recorded_at, units, rate_version)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(user_id)
    .bind(usage.id)
    .bind(usage.credits)
    .bind(usage.refunded)
    .bind(usage.uncollected)
    .bind(&usage.resource)
    .bind(usage.metadata.as_ref().map(ToString::to_string))
    .bind(usage.reservation_id)
    .bind(json(&usage.draws))
    .bind(&usage.actor)
    .bind(clock::to_micros(usage.recorded_at))
    .bind(usage.pricing.as_ref().map(|pricing| json(&pricing.units)))
    .bind(usage.pricing.as_ref().map(|pricing| pricing.rate_version))
    .execute(connection)
    .await?;
    Ok(())
}

async fn update_usage(
    connection: &mut SqliteConnection,
    user_id: &str,
    usage: &Usage,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE usages SET refunded = ? WHERE user_id = ? AND id = ?")
        .bind(usage.refunded)
        .bind(user_id)
        .bind(usage.id)
        .execute(connection)
        .await?;
    Ok(())
}

async fn insert_reservation(
    connection: &mut SqliteConnection,
    user_id: &str,
    reservation: &Reservation,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO reservations (user_id, id, credits, status, expires_at, resource, metadata, draws,
                                   usage_id, actor, recorded_at, ended_at, units, rate_version, terms_digest)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(user_id)
    .bind(reservation.id)
    .bind(reservation.credits)
    .bind(reservation.status.word())
    .bind(clock::to_micros(reservation.expires_at))
    .bind(&reservation.resource)
    .bind(reservation.metadata.as_ref().map(ToString::to_string))
    .bind(json(&reservation.draws))
    .bind(reservation.usage_id)
    .bind(&reservation.actor)
    .bind(clock::to_micros(reservation.recorded_at))
    .bind(reservation.ended_at.map(clock::to_micros))
    .bind(reservation.pricing.as_ref().map(|pricing| json(&pricing.units)))
    .bind(reservation.pricing.as_ref().map(|pricing| pricing.rate_version))
    .bind(reservation_digest(user_id, reservation))
    .execute(connection)
    .await?;
    Ok(())
}

async fn update_reservation(
    connection: &mut SqliteConnection,
    user_id: &str,
    reservation: &Reservation,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE reservations SET status = ?, expires_at = ?, usage_id = ?, ended_at = ?, terms_digest = ?
         WHERE user_id = ? AND id = ?",
    )
    .bind(reservation.status.word())
    .bind(clock::to_micros(reservation.expires_at))
    .bind(reservation.usage_id)
    .bind(reservation.ended_at.map(clock::to_micros))
    .bind(reservation_digest(user_id, reservation))
    .bind(user_id)
    .bind(reservation.id)
    .execute(connection)
    .await?;
    Ok(())
}
