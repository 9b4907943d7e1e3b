//! The first half of a batch: lock its accounts, then read what it needs of them.

use std::collections::BTreeSet;

use accrue_chassis::clock;
use sqlx::{PgConnection, Row as _};
use time::OffsetDateTime;

use super::rows;
use crate::ledger::{AccountState, Accounts, Command};
use crate::store::StoreError;

/// Step 1. Makes the accounts that are missing: a row that is not there cannot be
/// locked, and two first allocations would each start from nothing. Sorted, as is
/// every statement that waits for rows, so that two batches cannot wait for each
/// other.
pub(super) async fn insert_missing(
    connection: &mut PgConnection,
    user_ids: &[&str],
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO accounts (user_id, created_at, updated_at)
         SELECT user_id, $2, $2 FROM UNNEST($1::text[]) WITH ORDINALITY AS wanted (user_id, place)
         ORDER BY place
         ON CONFLICT (user_id) DO NOTHING",
    )
    .bind(user_ids)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}

/// Step 2. Locks the accounts, in the order in which every batch does.
pub(super) async fn lock(connection: &mut PgConnection, user_ids: &[&str]) -> Result<Accounts, StoreError> {
    let rows = sqlx::query(
        "SELECT user_id, status, user_version, email, username, display_name, available, reserved,
                last_seq, last_entry_at, next_expiry_at, welcome
         FROM accounts WHERE user_id = ANY ($1::text[]) ORDER BY user_id FOR UPDATE",
    )
    .bind(user_ids)
    .fetch_all(connection)
    .await?;
    let accounts: Accounts = rows
        .iter()
        .map(|row| rows::account(row).map(|account| (account.user_id.clone(), AccountState::new(account))))
        .collect::<Result<_, _>>()?;
    if accounts.len() == user_ids.len() {
        Ok(accounts)
    } else {
        Err(StoreError::Corrupt("an account was deleted while it was being locked".to_owned()))
    }
}

/// Those of the accounts that somebody else holds locked right now.
pub(super) async fn locked_by_others(
    connection: &mut PgConnection,
    user_ids: &[&str],
) -> Result<BTreeSet<String>, StoreError> {
    let rows = sqlx::query(
        "WITH free AS (
             SELECT user_id FROM accounts WHERE user_id = ANY ($1::text[]) FOR UPDATE SKIP LOCKED
         )
         SELECT user_id FROM accounts
         WHERE user_id = ANY ($1::text[]) AND user_id NOT IN (SELECT user_id FROM free)",
    )
    .bind(user_ids)
    .fetch_all(connection)
    .await?;
    Ok(rows.iter().map(|row| row.try_get("user_id")).collect::<Result<_, _>>()?)
}

/// Step 3, in statements of their own: one that has waited for a lock still sees
/// the other tables as they were before its wait. Reads the keys that `commands`
/// carry, of those that were used before.
pub(super) async fn keys(
    connection: &mut PgConnection,
    accounts: &mut Accounts,
    commands: &[Command],
) -> Result<(), StoreError> {
    let keyed = || commands.iter().filter_map(|command| Some((command, command.idempotency.as_ref()?)));
    let user_ids: Vec<&str> = keyed().map(|(command, _)| command.user_id.as_str()).collect();
    if user_ids.is_empty() {
        return Ok(());
    }
    let clients: Vec<&str> = keyed().map(|(_, key)| key.client.as_str()).collect();
    let keys: Vec<&str> = keyed().map(|(_, key)| key.key.as_str()).collect();
    let rows = sqlx::query(
        "SELECT DISTINCT user_id, client, key, fingerprint, resource, reply, recorded_at
         FROM idempotency_keys
         JOIN UNNEST($1::text[], $2::text[], $3::text[]) AS wanted (user_id, client, key)
             USING (user_id, client, key)",
    )
    .bind(user_ids)
    .bind(clients)
    .bind(keys)
    .fetch_all(connection)
    .await?;
    for row in &rows {
        if let Some(state) = accounts.get_mut(row.try_get::<&str, _>("user_id")?) {
            state.used_keys.push(rows::key(row)?);
        }
    }
    Ok(())
}

/// Step 3, continued. Of accounts where something has run out: those allocations,
/// and the one that will run out next. Of all others nothing.
pub(super) async fn due_allocations(
    connection: &mut PgConnection,
    accounts: &mut Accounts,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    let due = || accounts.values().map(|state| &state.account).filter(|account| account.is_expiry_due(now));
    let user_ids: Vec<String> = due().map(|account| account.user_id.clone()).collect();
    if user_ids.is_empty() {
        return Ok(());
    }
    let times: Vec<OffsetDateTime> =
        due().map(|account| clock::whole_microseconds(account.decision_time(now))).collect();
    let rows = sqlx::query(
        "SELECT allocation.* FROM UNNEST($1::text[], $2::timestamptz[]) AS due (user_id, at)
         CROSS JOIN LATERAL (
             (SELECT * FROM credit_allocations
              WHERE user_id = due.user_id AND remaining > 0 AND expires_at <= due.at)
             UNION ALL
             (SELECT * FROM credit_allocations
              WHERE user_id = due.user_id AND remaining > 0 AND expires_at > due.at
              ORDER BY expires_at LIMIT 1)
         ) AS allocation",
    )
    .bind(user_ids)
    .bind(times)
    .fetch_all(connection)
    .await?;
    for row in &rows {
        if let Some(state) = accounts.get_mut(row.try_get::<&str, _>("user_id")?) {
            state.hold(rows::allocation(row)?);
        }
    }
    Ok(())
}
