//! Reading what has fallen due, of the accounts on which something has.

use accrue_chassis::clock;
use sqlx::{Row as _, SqliteConnection};
use time::OffsetDateTime;

use super::{load, rows};
use crate::ledger::{AccountState, Accounts};
use crate::store::{StoreError, named};

/// What is due on each account by `now`, everything that settling it touches, and when
/// the next thing will be due. Of accounts on which nothing is due: nothing. Where much is,
/// the first `most` things of each kind and one more.
pub(super) async fn due(
    connection: &mut SqliteConnection,
    accounts: &mut Accounts,
    now: OffsetDateTime,
    most: i64,
) -> Result<(), StoreError> {
    for state in accounts.values_mut().filter(|state| state.account.is_due(now)) {
        let at = clock::to_micros(state.account.decision_time(now));
        hold_allocations(connection, state, (at, most)).await?;
        hold_reservations(connection, state, (at, most)).await?;
        state.due_after = due_after(connection, &state.account.user_id, at).await?;
    }
    let drawn = named::allocations(accounts, &[]);
    load::allocations(connection, accounts, &drawn).await
}

async fn hold_allocations(
    connection: &mut SqliteConnection,
    state: &mut AccountState,
    (at_micros, most): (i64, i64),
) -> Result<(), StoreError> {
    let ends = "SELECT *, expires_at AS due_at FROM credit_allocations
                WHERE user_id = ?1 AND remaining > 0 AND expires_at <= ?2 ORDER BY expires_at LIMIT ?3";
    let begins = "SELECT *, effective_at AS due_at FROM credit_allocations
                  WHERE user_id = ?1 AND is_pending AND effective_at <= ?2 ORDER BY effective_at LIMIT ?3";
    for query in [ends, begins] {
        let query = sqlx::query(query).bind(&state.account.user_id).bind(at_micros);
        let rows = query.bind(most.saturating_add(1)).fetch_all(&mut *connection).await?;
        let mut instants = Vec::with_capacity(rows.len());
        for row in &rows {
            state.allocations.hold(rows::allocation(row)?);
            instants.push(rows::time(row, "due_at")?);
        }
        named::note_due_until(state, most, instants.into_iter());
    }
    Ok(())
}

async fn hold_reservations(
    connection: &mut SqliteConnection,
    state: &mut AccountState,
    (at_micros, most): (i64, i64),
) -> Result<(), StoreError> {
    let query = sqlx::query(
        "SELECT * FROM reservations WHERE user_id = ? AND status = 'held' AND expires_at <= ?
         ORDER BY expires_at LIMIT ?",
    );
    let query = query.bind(&state.account.user_id).bind(at_micros);
    let rows = query.bind(most.saturating_add(1)).fetch_all(connection).await?;
    let mut instants = Vec::with_capacity(rows.len());
    for row in &rows {
        let reservation = rows::reservation(row)?;
        instants.push(reservation.expires_at);
        state.reservations.hold(reservation);
    }
    named::note_due_until(state, most, instants.into_iter());
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
