//! Reading what has fallen due, of the accounts on which something has.

use std::collections::BTreeMap;

use accrue_chassis::clock;
use sqlx::{PgConnection, Row as _};
use time::OffsetDateTime;

use super::load;
use super::rows;
use crate::ledger::Accounts;
use crate::store::{StoreError, named};

/// What is due on each account by `now`, everything that settling it touches, and when
/// the next thing will be due. Of accounts on which nothing is due: nothing. Where much is,
/// the first `most` things of each kind and one more.
pub(super) async fn due(
    connection: &mut PgConnection,
    accounts: &mut Accounts,
    now: OffsetDateTime,
    most: i64,
) -> Result<(), StoreError> {
    let due = || accounts.values().map(|state| &state.account).filter(|account| account.is_due(now));
    let user_ids: Vec<String> = due().map(|account| account.user_id.clone()).collect();
    if user_ids.is_empty() {
        return Ok(());
    }
    let times: Vec<OffsetDateTime> =
        due().map(|account| clock::whole_microseconds(account.decision_time(now))).collect();
    let mut found = BTreeMap::new();
    allocations(connection, accounts, (&user_ids, &times, most), &mut found).await?;
    reservations(connection, accounts, (&user_ids, &times, most), &mut found).await?;
    for ((user_id, _), instants) in found {
        if let Some(state) = accounts.get_mut(&user_id) {
            named::note_due_until(state, most, instants.into_iter());
        }
    }
    due_after(connection, accounts, (&user_ids, &times)).await?;
    let drawn = named::allocations(accounts, &[]);
    load::allocations(connection, accounts, &drawn).await
}

/// The instants of what is due, of each account and each kind.
type Found = BTreeMap<(String, &'static str), Vec<OffsetDateTime>>;

async fn allocations(
    connection: &mut PgConnection,
    accounts: &mut Accounts,
    (user_ids, times, most): (&[String], &[OffsetDateTime], i64),
    found: &mut Found,
) -> Result<(), StoreError> {
    let rows = sqlx::query(
        "SELECT allocation.* FROM UNNEST($1::text[], $2::timestamptz[]) AS due (user_id, at)
         CROSS JOIN LATERAL (
             (SELECT *, expires_at AS due_at, false AS begins FROM credit_allocations
              WHERE user_id = due.user_id AND remaining > 0 AND expires_at <= due.at
              ORDER BY expires_at LIMIT $3)
             UNION ALL
             (SELECT *, effective_at, true FROM credit_allocations
              WHERE user_id = due.user_id AND is_pending AND effective_at <= due.at
              ORDER BY effective_at LIMIT $3)
         ) AS allocation",
    )
    .bind(user_ids)
    .bind(times)
    .bind(most.saturating_add(1))
    .fetch_all(connection)
    .await?;
    for row in &rows {
        let user_id: String = row.try_get("user_id")?;
        if let Some(state) = accounts.get_mut(&user_id) {
            state.allocations.hold(rows::allocation(row)?);
        }
        let kind = if row.try_get("begins")? { "begins" } else { "ends" };
        found.entry((user_id, kind)).or_default().push(row.try_get("due_at")?);
    }
    Ok(())
}

async fn reservations(
    connection: &mut PgConnection,
    accounts: &mut Accounts,
    (user_ids, times, most): (&[String], &[OffsetDateTime], i64),
    found: &mut Found,
) -> Result<(), StoreError> {
    let rows = sqlx::query(
        "SELECT reservation.* FROM UNNEST($1::text[], $2::timestamptz[]) AS due (user_id, at)
         CROSS JOIN LATERAL (
             SELECT * FROM reservations
             WHERE user_id = due.user_id AND status = 'held' AND expires_at <= due.at
             ORDER BY expires_at LIMIT $3
         ) AS reservation",
    )
    .bind(user_ids)
    .bind(times)
    .bind(most.saturating_add(1))
    .fetch_all(connection)
    .await?;
    for row in &rows {
        let user_id: String = row.try_get("user_id")?;
        let reservation = rows::reservation(row)?;
        found.entry((user_id.clone(), "releases")).or_default().push(reservation.expires_at);
        if let Some(state) = accounts.get_mut(&user_id) {
            state.reservations.hold(reservation);
        }
    }
    Ok(())
}

async fn due_after(
    connection: &mut PgConnection,
    accounts: &mut Accounts,
    (user_ids, times): (&[String], &[OffsetDateTime]),
) -> Result<(), StoreError> {
    let rows = sqlx::query(
        "SELECT due.user_id, LEAST(
             (SELECT min(expires_at) FROM credit_allocations
              WHERE user_id = due.user_id AND remaining > 0 AND expires_at > due.at),
             (SELECT min(effective_at) FROM credit_allocations
              WHERE user_id = due.user_id AND is_pending AND effective_at > due.at),
             (SELECT min(expires_at) FROM reservations
              WHERE user_id = due.user_id AND status = 'held' AND expires_at > due.at)
         ) AS due_after
         FROM UNNEST($1::text[], $2::timestamptz[]) AS due (user_id, at)",
    )
    .bind(user_ids)
    .bind(times)
    .fetch_all(connection)
    .await?;
    for row in &rows {
        if let Some(state) = accounts.get_mut(row.try_get::<&str, _>("user_id")?) {
            state.due_after = row.try_get("due_after")?;
        }
    }
    Ok(())
}
