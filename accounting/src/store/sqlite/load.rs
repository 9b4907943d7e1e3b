//! The first half of a batch on SQLite: read what it needs of its accounts. The caller
//! holds the write lock.

use std::collections::BTreeSet;

use accrue_chassis::clock;
use sqlx::SqliteConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{due, rates, rows};
use crate::ledger::{Account, AccountState, Accounts, Command, Spendable};
use crate::store::{StoreError, named};

/// How many open allocations are read at first, and by how much more each time they
/// were too few.
const FIRST_LIMIT: i64 = 8;
const GROWTH: i64 = 4;

/// The accounts of a batch with what its commands need, and those of them that are
/// not there yet.
pub(super) async fn load(
    connection: &mut SqliteConnection,
    commands: &[Command],
    now: OffsetDateTime,
) -> Result<(Accounts, BTreeSet<String>), StoreError> {
    let mut accounts = Accounts::new();
    let mut missing = BTreeSet::new();
    for user_id in named::user_ids(commands) {
        let query = sqlx::query("SELECT * FROM accounts WHERE user_id = ?").bind(user_id);
        let account = if let Some(row) = query.fetch_optional(&mut *connection).await? {
            rows::account(&row)?
        } else {
            missing.insert(user_id.to_owned());
            Account::placeholder(user_id)
        };
        accounts.insert(user_id.to_owned(), AccountState::new(account));
    }
    keys(connection, &mut accounts, commands).await?;
    due::due(connection, &mut accounts, now, named::MOST_DUE).await?;
    named(connection, &mut accounts, commands).await?;
    pending(connection, &mut accounts, commands, now).await?;
    let wanted = named::allocations(&accounts, commands);
    allocations(connection, &mut accounts, &wanted).await?;
    rates::load(connection, &mut accounts, commands, now).await?;
    for (user_id, commands) in named::by_user(commands) {
        let Some(state) = accounts.get_mut(user_id) else { continue };
        let needed = state.spendable_needed(commands.into_iter());
        spendable(connection, state, needed, now).await?;
    }
    Ok((accounts, missing))
}

async fn keys(
    connection: &mut SqliteConnection,
    accounts: &mut Accounts,
    commands: &[Command],
) -> Result<(), StoreError> {
    for command in commands {
        let Some(key) = &command.idempotency else { continue };
        let row = sqlx::query(
            "SELECT client, key, fingerprint, resource, reply, recorded_at FROM idempotency_keys
             WHERE user_id = ? AND client = ? AND key = ?",
        )
        .bind(&command.user_id)
        .bind(&key.client)
        .bind(&key.key)
        .fetch_optional(&mut *connection)
        .await?;
        if let (Some(row), Some(state)) = (row, accounts.get_mut(&command.user_id)) {
            state.used_keys.push(rows::key(&row)?);
        }
    }
    Ok(())
}

/// The usages and reservations that `commands` name.
async fn named(
    connection: &mut SqliteConnection,
    accounts: &mut Accounts,
    commands: &[Command],
) -> Result<(), StoreError> {
    for (user_id, id) in named::needed(commands, |needs| needs.usage) {
        let query = sqlx::query("SELECT * FROM usages WHERE user_id = ? AND id = ?");
        let row = query.bind(user_id).bind(id).fetch_optional(&mut *connection).await?;
        if let (Some(row), Some(state)) = (row, accounts.get_mut(user_id)) {
            state.usages.hold(rows::usage(&row)?);
        }
    }
    for (user_id, id) in named::needed(commands, |needs| needs.reservation) {
        let query = sqlx::query("SELECT * FROM reservations WHERE user_id = ? AND id = ?");
        let row = query.bind(user_id).bind(id).fetch_optional(&mut *connection).await?;
        if let (Some(row), Some(state)) = (row, accounts.get_mut(user_id)) {
            state.reservations.hold(rows::reservation(&row)?);
        }
    }
    Ok(())
}

/// Every pending allocation of the accounts of which `commands` need them all.
async fn pending(
    connection: &mut SqliteConnection,
    accounts: &mut Accounts,
    commands: &[Command],
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    let limit = named::pending_limit(commands);
    for user_id in named::pending(commands) {
        let Some(state) = accounts.get_mut(user_id) else { continue };
        // Those that are due have been loaded, and would take the place of others here.
        let query = sqlx::query(
            "SELECT * FROM credit_allocations WHERE user_id = ? AND is_pending AND effective_at > ? LIMIT ?",
        );
        let at = clock::to_micros(state.account.decision_time(now));
        let rows = query.bind(user_id).bind(at).bind(limit).fetch_all(&mut *connection).await?;
        for row in &rows {
            state.allocations.hold(rows::allocation(row)?);
        }
    }
    Ok(())
}

/// The allocations with these ids.
pub(super) async fn allocations(
    connection: &mut SqliteConnection,
    accounts: &mut Accounts,
    wanted: &[(String, Uuid)],
) -> Result<(), StoreError> {
    for (user_id, id) in wanted {
        let query = sqlx::query("SELECT * FROM credit_allocations WHERE user_id = ? AND id = ?");
        let row = query.bind(user_id).bind(id).fetch_optional(&mut *connection).await?;
        if let (Some(row), Some(state)) = (row, accounts.get_mut(user_id)) {
            state.allocations.hold(rows::allocation(&row)?);
        }
    }
    Ok(())
}

/// Open allocations in burn order, until they have the credits that are `needed`.
async fn spendable(
    connection: &mut SqliteConnection,
    state: &mut AccountState,
    needed: Spendable,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    if needed.credits <= 0 || state.account.available == 0 {
        return Ok(());
    }
    let at = clock::to_micros(state.account.decision_time(now));
    let mut limit = FIRST_LIMIT;
    loop {
        let rows = sqlx::query(
            "SELECT * FROM credit_allocations
             WHERE user_id = ?1 AND remaining > 0 AND COALESCE(expires_at, 9223372036854775807) > ?2
             ORDER BY priority, expires_at IS NULL, expires_at, recorded_at, id LIMIT ?3",
        )
        .bind(&state.account.user_id)
        .bind(at)
        .bind(limit)
        .fetch_all(&mut *connection)
        .await?;
        let mut credits = 0_i64;
        for row in &rows {
            let allocation = rows::allocation(row)?;
            credits += allocation.remaining;
            state.allocations.hold(allocation);
        }
        let count = i64::try_from(rows.len()).unwrap_or(i64::MAX);
        if credits >= needed.credits || count >= needed.allocations || count < limit {
            return Ok(());
        }
        limit = limit.saturating_mul(GROWTH);
    }
}
