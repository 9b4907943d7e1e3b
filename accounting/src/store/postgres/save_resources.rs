//! Writing allocations, usages and reservations, one statement a table and kind of change.

use serde::Serialize;
use sqlx::PgConnection;

use super::save::column;
use crate::ledger::{AccountState, Accounts, Allocation, Change, Holdings, Identified, Reservation, Usage};
use crate::store::{StoreError, pending_digest, reservation_digest};

/// Writes what the batch made and changed.
pub(super) async fn save(connection: &mut PgConnection, accounts: &Accounts) -> Result<(), StoreError> {
    let (made, updated) = changes(accounts, |state| &state.allocations);
    insert_allocations(connection, &made).await?;
    update_allocations(connection, &updated).await?;
    let (made, updated) = changes(accounts, |state| &state.usages);
    insert_usages(connection, &made).await?;
    update_usages(connection, &updated).await?;
    let (made, updated) = changes(accounts, |state| &state.reservations);
    insert_reservations(connection, &made).await?;
    update_reservations(connection, &updated).await
}

/// A row with its account's id.
type Row<'a, T> = (&'a str, &'a T);

/// What was made and what was updated, of every account.
fn changes<T: Identified>(
    accounts: &Accounts,
    part: fn(&AccountState) -> &Holdings<T>,
) -> (Vec<Row<'_, T>>, Vec<Row<'_, T>>) {
    let with = |change| {
        let of = |(user_id, state)| part(state).with(change).map(move |row| (String::as_str(user_id), row));
        accounts.iter().flat_map(of).collect()
    };
    (with(Change::Made), with(Change::Updated))
}

/// As the database takes JSON that nobody's text is in.
pub(super) fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("ids and numbers always serialise")
}

async fn insert_allocations(
    connection: &mut PgConnection,
    rows: &[Row<'_, Allocation>],
) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO credit_allocations
             (user_id, id, credits, remaining, reserved, priority, effective_at, is_pending, expires_at,
              is_voided, reason, metadata, actor, recorded_at, terms_digest)
         SELECT user_id, id, credits, remaining, reserved, priority, effective_at, is_pending, expires_at,
                is_voided, reason, metadata::jsonb, actor, recorded_at, terms_digest
         FROM UNNEST($1::text[], $2::uuid[], $3::bigint[], $4::bigint[], $5::bigint[], $6::smallint[],
                     $7::timestamptz[], $8::boolean[], $9::timestamptz[], $10::boolean[], $11::text[],
                     $12::text[], $13::text[], $14::timestamptz[], $15::bytea[])
             AS new (user_id, id, credits, remaining, reserved, priority, effective_at, is_pending, expires_at,
                     is_voided, reason, metadata, actor, recorded_at, terms_digest)",
    )
    .bind(column(rows, |(user_id, _)| *user_id))
    .bind(column(rows, |(_, allocation)| allocation.id))
    .bind(column(rows, |(_, allocation)| allocation.credits))
    .bind(column(rows, |(_, allocation)| allocation.remaining))
    .bind(column(rows, |(_, allocation)| allocation.reserved))
    .bind(column(rows, |(_, allocation)| allocation.priority))
    .bind(column(rows, |(_, allocation)| allocation.effective_at))
    .bind(column(rows, |(_, allocation)| allocation.is_pending))
    .bind(column(rows, |(_, allocation)| allocation.expires_at))
    .bind(column(rows, |(_, allocation)| allocation.is_voided))
    .bind(column(rows, |(_, allocation)| allocation.reason.as_deref()))
    .bind(column(rows, |(_, allocation)| allocation.metadata.as_ref().map(ToString::to_string)))
    .bind(column(rows, |(_, allocation)| allocation.actor.as_str()))
    .bind(column(rows, |(_, allocation)| allocation.recorded_at))
    .bind(column(rows, |(user_id, allocation)| pending_digest(user_id, allocation)))
    .execute(connection)
    .await?;
    Ok(())
}

async fn update_allocations(
    connection: &mut PgConnection,
    rows: &[Row<'_, Allocation>],
) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "UPDATE credit_allocations AS old
         SET remaining = new.remaining, reserved = new.reserved, is_pending = new.is_pending,
             is_voided = new.is_voided
         FROM UNNEST($1::text[], $2::uuid[], $3::bigint[], $4::bigint[], $5::boolean[], $6::boolean[])
             AS new (user_id, id, remaining, reserved, is_pending, is_voided)
         WHERE old.user_id = new.user_id AND old.id = new.id",
    )
    .bind(column(rows, |(user_id, _)| *user_id))
    .bind(column(rows, |(_, allocation)| allocation.id))
    .bind(column(rows, |(_, allocation)| allocation.remaining))
    .bind(column(rows, |(_, allocation)| allocation.reserved))
    .bind(column(rows, |(_, allocation)| allocation.is_pending))
    .bind(column(rows, |(_, allocation)| allocation.is_voided))
    .execute(connection)
    .await?;
    Ok(())
}

async fn insert_usages(connection: &mut PgConnection, rows: &[Row<'_, Usage>]) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO usages (user_id, id, credits, refunded, uncollected, resource, metadata, reservation_id,
                             draws, actor, recorded_at, units, rate_version)
         SELECT user_id, id, credits, refunded, uncollected, resource, metadata::jsonb, reservation_id,
                draws::json, actor, recorded_at, units::json, rate_version
         FROM UNNEST($1::text[], $2::uuid[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[], $7::text[],
                     $8::uuid[], $9::text[], $10::text[], $11::timestamptz[], $12::text[], $13::bigint[])
             AS new (user_id, id, credits, refunded, uncollected, resource, metadata, reservation_id,
                     draws, actor, recorded_at, units, rate_version)",
    )
    .bind(column(rows, |(user_id, _)| *user_id))
    .bind(column(rows, |(_, usage)| usage.id))
    .bind(column(rows, |(_, usage)| usage.credits))
    .bind(column(rows, |(_, usage)| usage.refunded))
    .bind(column(rows, |(_, usage)| usage.uncollected))
    .bind(column(rows, |(_, usage)| usage.resource.as_deref()))
    .bind(column(rows, |(_, usage)| usage.metadata.as_ref().map(ToString::to_string)))
    .bind(column(rows, |(_, usage)| usage.reservation_id))
    .bind(column(rows, |(_, usage)| json(&usage.draws)))
    .bind(column(rows, |(_, usage)| usage.actor.as_str()))
    .bind(column(rows, |(_, usage)| usage.recorded_at))
    .bind(column(rows, |(_, usage)| usage.pricing.as_ref().map(|pricing| json(&pricing.units))))
    .bind(column(rows, |(_, usage)| usage.pricing.as_ref().map(|pricing| pricing.rate_version)))
    .execute(connection)
    .await?;
    Ok(())
}

async fn update_usages(connection: &mut PgConnection, rows: &[Row<'_, Usage>]) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "UPDATE usages AS old SET refunded = new.refunded
         FROM UNNEST($1::text[], $2::uuid[], $3::bigint[]) AS new (user_id, id, refunded)
         WHERE old.user_id = new.user_id AND old.id = new.id",
    )
    .bind(column(rows, |(user_id, _)| *user_id))
    .bind(column(rows, |(_, usage)| usage.id))
    .bind(column(rows, |(_, usage)| usage.refunded))
    .execute(connection)
    .await?;
    Ok(())
}

async fn insert_reservations(
    connection: &mut PgConnection,
    rows: &[Row<'_, Reservation>],
) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO reservations (user_id, id, credits, status, expires_at, resource, metadata, draws,
                                   usage_id, actor, recorded_at, ended_at, units, rate_version, terms_digest)
         SELECT user_id, id, credits, status, expires_at, resource, metadata::jsonb, draws::json,
                usage_id, actor, recorded_at, ended_at, units::json, rate_version, terms_digest
         FROM UNNEST($1::text[], $2::uuid[], $3::bigint[], $4::text[], $5::timestamptz[], $6::text[],
                     $7::text[], $8::text[], $9::uuid[], $10::text[], $11::timestamptz[], $12::timestamptz[],
                     $13::text[], $14::bigint[], $15::bytea[])
             AS new (user_id, id, credits, status, expires_at, resource, metadata, draws, usage_id, actor,
                     recorded_at, ended_at, units, rate_version, terms_digest)",
    )
    .bind(column(rows, |(user_id, _)| *user_id))
    .bind(column(rows, |(_, reservation)| reservation.id))
    .bind(column(rows, |(_, reservation)| reservation.credits))
    .bind(column(rows, |(_, reservation)| reservation.status.word()))
    .bind(column(rows, |(_, reservation)| reservation.expires_at))
    .bind(column(rows, |(_, reservation)| reservation.resource.as_deref()))
    .bind(column(rows, |(_, reservation)| reservation.metadata.as_ref().map(ToString::to_string)))
    .bind(column(rows, |(_, reservation)| json(&reservation.draws)))
    .bind(column(rows, |(_, reservation)| reservation.usage_id))
    .bind(column(rows, |(_, reservation)| reservation.actor.as_str()))
    .bind(column(rows, |(_, reservation)| reservation.recorded_at))
    .bind(column(rows, |(_, reservation)| reservation.ended_at))
    .bind(column(rows, |(_, reservation)| reservation.pricing.as_ref().map(|pricing| json(&pricing.units))))
    .bind(column(rows, |(_, reservation)| reservation.pricing.as_ref().map(|pricing| pricing.rate_version)))
    .bind(column(rows, |(user_id, reservation)| reservation_digest(user_id, reservation)))
    .execute(connection)
    .await?;
    Ok(())
}

async fn update_reservations(
    connection: &mut PgConnection,
    rows: &[Row<'_, Reservation>],
) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "UPDATE reservations AS old
         SET status = new.status, expires_at = new.expires_at, usage_id = new.usage_id, ended_at = new.ended_at,
             terms_digest = new.terms_digest
         FROM UNNEST($1::text[], $2::uuid[], $3::text[], $4::timestamptz[], $5::uuid[], $6::timestamptz[],
                     $7::bytea[])
             AS new (user_id, id, status, expires_at, usage_id, ended_at, terms_digest)
         WHERE old.user_id = new.user_id AND old.id = new.id",
    )
    .bind(column(rows, |(user_id, _)| *user_id))
    .bind(column(rows, |(_, reservation)| reservation.id))
    .bind(column(rows, |(_, reservation)| reservation.status.word()))
    .bind(column(rows, |(_, reservation)| reservation.expires_at))
    .bind(column(rows, |(_, reservation)| reservation.usage_id))
    .bind(column(rows, |(_, reservation)| reservation.ended_at))
    .bind(column(rows, |(user_id, reservation)| reservation_digest(user_id, reservation)))
    .execute(connection)
    .await?;
    Ok(())
}
