//! Reading what has fallen due, of the accounts on which something has.

use accrue_chassis::clock;
use sqlx::{PgConnection, Row as _};
use time::OffsetDateTime;

use super::load;
use super::rows;
use crate::ledger::Accounts;
use crate::store::{StoreError, named};

/// What is due on each account by `now`, everything that settling it touches, and when
/// the next thing will be due. Of accounts on which nothing is due: nothing.
pub(super) async fn due(
    connection: &mut PgConnection,
    accounts: &mut Accounts,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    let due = || accounts.values().map(|state| &state.account).filter(|account| account.is_due(now));
    let user_ids: Vec<String> = due().map(|account| account.user_id.clone()).collect();
    if user_ids.is_empty() {
        return Ok(());
    }
    let times: Vec<OffsetDateTime> =
        due().map(|account| clock::whole_microseconds(account.decision_time(now))).collect();
    allocations(connection, accounts, (&user_ids, &times)).await?;
    reservations(connection, accounts, (&user_ids, &times)).await?;
    due_after(connection, accounts, (&user_ids, &times)).await?;
    let drawn = named::allocations(accounts, &[]);
    load::allocations(connection, accounts, &drawn).await
}

async fn allocations(
    connection: &mut PgConnection,
    accounts: &mut Accounts,
    (user_ids, times): (&[String], &[OffsetDateTime]),
) -> Result<(), StoreError> {
    let rows = sqlx::query(
        "SELECT allocation.* FROM UNNEST($1::text[], $2::timestamptz[]) AS due (user_id, at)
         CROSS JOIN LATERAL (
             (SELECT * FROM credit_allocations
              WHERE user_id = due.user_id AND remaining > 0 AND expires_at <= due.at)
             UNION ALL
             (SELECT * FROM credit_allocations
              WHERE user_id = due.user_id AND is_pending AND effective_at <= due.at)
         ) AS allocation",
    )
    .bind(user_ids)
    .bind(times)
    .fetch_all(connection)
    .await?;
    for row in &rows {
        if let Some(state) = accounts.get_mut(row.try_get::<&str, _>("user_id")?) {
            state.allocations.hold(rows::allocation(row)?);
        }
    }
    Ok(())
}

async fn reservations(
    connection: &mut PgConnection,
    accounts: &mut Accounts,
    (user_ids, times): (&[String], &[OffsetDateTime]),
) -> Result<(), StoreError> {
    let rows = sqlx::query(
        "SELECT reservations.* FROM UNNEST($1::text[], $2::timestamptz[]) AS due (user_id, at)
         JOIN reservations ON reservations.user_id = due.user_id AND status = 'held' AND expires_at <= due.at",
    )
    .bind(user_ids)
    .bind(times)
    .fetch_all(connection)
    .await?;
    for row in &rows {
        if let Some(state) = accounts.get_mut(row.try_get::<&str, _>("user_id")?) {
            state.reservations.hold(rows::reservation(row)?);
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
