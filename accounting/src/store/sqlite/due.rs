//! Reading what has fallen due, of the accounts on which something has.

use accrue_chassis::clock;
use sqlx::{Row as _, SqliteConnection};
use time::OffsetDateTime;

use super::{load, rows};
use crate::ledger::{AccountState, Accounts};
use crate::store::{StoreError, named};

/// What is due on each account by `now`, everything that settling it touches, and when
/// the next thing will be due. Of accounts on which nothing is due: nothing.
pub(super) async fn due(
    connection: &mut SqliteConnection,
    accounts: &mut Accounts,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    for state in accounts.values_mut().filter(|state| state.account.is_due(now)) {
        let at = clock::to_micros(state.account.decision_time(now));
        hold_due(connection, state, at).await?;
        state.due_after = due_after(connection, &state.account.user_id, at).await?;
    }
    let drawn = named::allocations(accounts, &[]);
    load::allocations(connection, accounts, &drawn).await
}

async fn hold_due(
    connection: &mut SqliteConnection,
    state: &mut AccountState,
    at_micros: i64,
) -> Result<(), StoreError> {
    let rows = sqlx::query(
        "SELECT * FROM credit_allocations WHERE user_id = ?1 AND remaining > 0 AND expires_at <= ?2
         UNION ALL
         SELECT * FROM credit_allocations WHERE user_id = ?1 AND is_pending AND effective_at <= ?2",
    )
    .bind(&state.account.user_id)
    .bind(at_micros)
    .fetch_all(&mut *connection)
    .await?;
    for row in &rows {
        state.allocations.hold(rows::allocation(row)?);
    }
    let rows =
        sqlx::query("SELECT * FROM reservations WHERE user_id = ? AND status = 'held' AND expires_at <= ?")
            .bind(&state.account.user_id)
            .bind(at_micros)
            .fetch_all(connection)
            .await?;
    for row in &rows {
        state.reservations.hold(rows::reservation(row)?);
    }
    Ok(())
}

async fn due_after(
    connection: &mut SqliteConnection,
    user_id: &str,
    at_micros: i64,
) -> Result<Option<OffsetDateTime>, StoreError> {
    let row = sqlx::query(
        "SELECT min(at) AS due_after FROM (
             SELECT min(expires_at) AS at FROM credit_allocations
             WHERE user_id = ?1 AND remaining > 0 AND expires_at > ?2
             UNION ALL
             SELECT min(effective_at) FROM credit_allocations
             WHERE user_id = ?1 AND is_pending AND effective_at > ?2
             UNION ALL
             SELECT min(expires_at) FROM reservations
             WHERE user_id = ?1 AND status = 'held' AND expires_at > ?2
         )",
    )
    .bind(user_id)
    .bind(at_micros)
    .fetch_one(connection)
    .await?;
    match row.try_get::<Option<i64>, _>("due_after")? {
        Some(_) => rows::time(&row, "due_after").map(Some),
        None => Ok(None),
    }
}
