//! The first half of a batch: lock its accounts, then read what it needs of them.

use std::collections::BTreeSet;

use sqlx::{PgConnection, Row as _};
use time::OffsetDateTime;
use uuid::Uuid;

use super::rows;
use crate::ledger::{Account, AccountState, Accounts, Command, IdempotencyKey};
use crate::store::{StoreError, named};

/// What a batch begins with.
pub(super) struct Locked<'a> {
    pub(super) accounts: Accounts,
    /// Those of them that are not there. Of these there is nothing to find and nothing to lock.
    pub(super) missing: BTreeSet<&'a str>,
    /// The server's time when all of them were locked.
    pub(super) at: OffsetDateTime,
}

/// Step 1. Locks the accounts, in the order in which every batch does.
pub(super) async fn lock<'a>(
    connection: &mut PgConnection,
    user_ids: &[&'a str],
) -> Result<Locked<'a>, StoreError> {
    // One row at least, for the time; it is taken of each after its lock.
    let rows = sqlx::query(
        "SELECT locked.*, clock_timestamp() AS at
         FROM (SELECT) AS once LEFT JOIN (
             SELECT user_id, status, user_version, email, username, display_name, available, reserved,
                    pending, last_seq, last_entry_at, chain_head, next_due_at, welcome
             FROM accounts WHERE user_id = ANY ($1::text[]) ORDER BY user_id FOR UPDATE
         ) AS locked ON true",
    )
    .bind(user_ids)
    .fetch_all(connection)
    .await?;
    let times = rows.iter().map(|row| row.try_get("at")).collect::<Result<Vec<OffsetDateTime>, _>>()?;
    let at = times.into_iter().max().ok_or_else(|| StoreError::Corrupt("no time was told".to_owned()))?;
    let nothing = |user_id: &&str| ((*user_id).to_owned(), AccountState::new(Account::placeholder(*user_id)));
    let mut accounts: Accounts = user_ids.iter().map(nothing).collect();
    let mut found = BTreeSet::new();
    for row in &rows {
        if row.try_get::<Option<&str>, _>("user_id")?.is_none() {
            continue;
        }
        let account = rows::account(row)?;
        found.insert(account.user_id.clone());
        accounts.insert(account.user_id.clone(), AccountState::new(account));
    }
    let missing = user_ids.iter().copied().filter(|user_id| !found.contains(*user_id));
    Ok(Locked { accounts, missing: missing.collect(), at })
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

/// Those of the accounts that are not there to be seen.
pub(super) async fn unseen(
    connection: &mut PgConnection,
    user_ids: &[&str],
) -> Result<Vec<String>, StoreError> {
    let query = sqlx::query_scalar(
        "SELECT user_id FROM UNNEST($1::text[]) AS wanted (user_id)
         WHERE NOT EXISTS (SELECT FROM accounts WHERE accounts.user_id = wanted.user_id)",
    );
    Ok(query.bind(user_ids).fetch_all(connection).await?)
}

/// Step 2, in statements of their own: one that has waited for a lock still sees
/// the other tables as they were before its wait. Reads the keys that `commands`
/// carry, of those that were used before.
pub(super) async fn keys<'a>(
    connection: &mut PgConnection,
    accounts: &mut Accounts,
    commands: impl Iterator<Item = &'a Command>,
) -> Result<(), StoreError> {
    let keyed: Vec<(&str, &IdempotencyKey)> = commands
        .filter_map(|command| Some((command.user_id.as_str(), command.idempotency.as_ref()?)))
        .collect();
    if keyed.is_empty() {
        return Ok(());
    }
    let user_ids: Vec<&str> = keyed.iter().map(|(user_id, _)| *user_id).collect();
    let clients: Vec<&str> = keyed.iter().map(|(_, key)| key.client.as_str()).collect();
    let keys: Vec<&str> = keyed.iter().map(|(_, key)| key.key.as_str()).collect();
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

/// Step 2, continued. The usages and reservations that `commands` name.
pub(super) async fn named(
    connection: &mut PgConnection,
    accounts: &mut Accounts,
    commands: &[Command],
) -> Result<(), StoreError> {
    let (user_ids, ids): (Vec<&str>, Vec<Uuid>) =
        named::needed(commands, |needs| needs.usage).into_iter().unzip();
    if !ids.is_empty() {
        let query = "SELECT usages.* FROM UNNEST($1::text[], $2::uuid[]) AS wanted (user_id, id)
                     JOIN usages USING (user_id, id)";
        let rows = sqlx::query(query).bind(user_ids).bind(ids).fetch_all(&mut *connection).await?;
        for row in &rows {
            if let Some(state) = accounts.get_mut(row.try_get::<&str, _>("user_id")?) {
                state.usages.hold(rows::usage(row)?);
            }
        }
    }
    let (user_ids, ids): (Vec<&str>, Vec<Uuid>) =
        named::needed(commands, |needs| needs.reservation).into_iter().unzip();
    if !ids.is_empty() {
        let query = "SELECT reservations.* FROM UNNEST($1::text[], $2::uuid[]) AS wanted (user_id, id)
                     JOIN reservations USING (user_id, id)";
        let rows = sqlx::query(query).bind(user_ids).bind(ids).fetch_all(&mut *connection).await?;
        for row in &rows {
            if let Some(state) = accounts.get_mut(row.try_get::<&str, _>("user_id")?) {
                state.reservations.hold(rows::reservation(row)?);
            }
        }
    }
    Ok(())
}

/// Step 2, continued. Every pending allocation of the accounts of which `commands` need
/// them all, but those that are due: these have been loaded, and would take the place of
/// others here.
pub(super) async fn pending(
    connection: &mut PgConnection,
    accounts: &mut Accounts,
    commands: &[Command],
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    let user_ids: Vec<&str> = named::pending(commands).into_iter().collect();
    if user_ids.is_empty() {
        return Ok(());
    }
    let time = |user_id: &&str| accounts.get(*user_id).map_or(now, |state| state.account.decision_time(now));
    let times: Vec<OffsetDateTime> =
        user_ids.iter().map(time).map(accrue_chassis::clock::whole_microseconds).collect();
    let rows = sqlx::query(
        "SELECT allocation.* FROM UNNEST($1::text[], $2::timestamptz[]) AS wanted (user_id, at)
         CROSS JOIN LATERAL (
             SELECT * FROM credit_allocations
             WHERE user_id = wanted.user_id AND is_pending AND effective_at > wanted.at LIMIT $3
         ) AS allocation",
    )
    .bind(user_ids)
    .bind(times)
    .bind(named::pending_limit(commands))
    .fetch_all(connection)
    .await?;
    for row in &rows {
        if let Some(state) = accounts.get_mut(row.try_get::<&str, _>("user_id")?) {
            state.allocations.hold(rows::allocation(row)?);
        }
    }
    Ok(())
}

/// Step 2, continued. The allocations with these ids.
pub(super) async fn allocations(
    connection: &mut PgConnection,
    accounts: &mut Accounts,
    wanted: &[(String, Uuid)],
) -> Result<(), StoreError> {
    if wanted.is_empty() {
        return Ok(());
    }
    let (user_ids, ids): (Vec<&str>, Vec<Uuid>) =
        wanted.iter().map(|(user_id, id)| (user_id.as_str(), *id)).unzip();
    let rows = sqlx::query(
        "SELECT credit_allocations.* FROM UNNEST($1::text[], $2::uuid[]) AS wanted (user_id, id)
         JOIN credit_allocations USING (user_id, id)",
    )
    .bind(user_ids)
    .bind(ids)
    .fetch_all(connection)
    .await?;
    for row in &rows {
        if let Some(state) = accounts.get_mut(row.try_get::<&str, _>("user_id")?) {
            state.allocations.hold(rows::allocation(row)?);
        }
    }
    Ok(())
}
