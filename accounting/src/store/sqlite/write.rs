//! A batch on SQLite: load what it needs, save what was decided, row by row. There
//! is no network between the rows, so nothing is gained by sending them together.

use std::collections::BTreeSet;

use accrue_chassis::clock;
use sqlx::SqliteConnection;
use time::OffsetDateTime;

use super::rows;
use crate::ledger::{Account, AccountState, Accounts, Allocation, Change, Command, Entry, KeyRecord};
use crate::store::StoreError;

/// The accounts of a batch, made where they were missing, with the keys and
/// allocations that its commands need. The caller holds the write lock.
pub(super) async fn load(
    connection: &mut SqliteConnection,
    user_ids: &BTreeSet<&str>,
    commands: &[Command],
    now: OffsetDateTime,
) -> Result<Accounts, StoreError> {
    let mut accounts = Accounts::new();
    for user_id in user_ids {
        let account = load_account(connection, user_id, now).await?;
        let mut state = AccountState::new(account);
        if state.account.is_expiry_due(now) {
            load_due_allocations(connection, &mut state, now).await?;
        }
        accounts.insert((*user_id).to_owned(), state);
    }
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
    Ok(accounts)
}

async fn load_account(
    connection: &mut SqliteConnection,
    user_id: &str,
    now: OffsetDateTime,
) -> Result<Account, StoreError> {
    sqlx::query(
        "INSERT INTO accounts (user_id, created_at, updated_at) VALUES (?1, ?2, ?2) ON CONFLICT DO NOTHING",
    )
    .bind(user_id)
    .bind(clock::to_micros(now))
    .execute(&mut *connection)
    .await?;
    let row = sqlx::query(
        "SELECT user_id, status, user_version, email, username, display_name, available, reserved,
                last_seq, last_entry_at, next_expiry_at, welcome
         FROM accounts WHERE user_id = ?",
    )
    .bind(user_id)
    .fetch_one(connection)
    .await?;
    rows::account(&row)
}

async fn load_due_allocations(
    connection: &mut SqliteConnection,
    state: &mut AccountState,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    let rows = sqlx::query(
        "SELECT * FROM credit_allocations
         WHERE user_id = ?1 AND remaining > 0 AND expires_at IS NOT NULL AND expires_at <= COALESCE(
             (SELECT min(expires_at) FROM credit_allocations
              WHERE user_id = ?1 AND remaining > 0 AND expires_at > ?2), ?2)",
    )
    .bind(&state.account.user_id)
    .bind(clock::to_micros(state.account.decision_time(now)))
    .fetch_all(connection)
    .await?;
    for row in &rows {
        state.hold(rows::allocation(row)?);
    }
    Ok(())
}

/// Writes every change that `accounts` hold.
pub(super) async fn save(
    connection: &mut SqliteConnection,
    accounts: &Accounts,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    for (user_id, state) in accounts {
        if state.is_changed {
            update_account(connection, &state.account, now).await?;
        }
        for held in &state.allocations {
            match held.change {
                Change::None => {}
                Change::Made => insert_allocation(connection, user_id, &held.allocation).await?,
                Change::Updated => update_allocation(connection, user_id, &held.allocation).await?,
            }
        }
        for entry in &state.entries {
            insert_entry(connection, user_id, entry).await?;
        }
        for record in &state.new_keys {
            insert_key(connection, user_id, record).await?;
        }
    }
    Ok(())
}

async fn update_account(
    connection: &mut SqliteConnection,
    account: &Account,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE accounts SET status = ?2, user_version = ?3, email = ?4, username = ?5, display_name = ?6,
             available = ?7, reserved = ?8, last_seq = ?9, last_entry_at = ?10, next_expiry_at = ?11,
             welcome = ?12, updated_at = ?13
         WHERE user_id = ?1",
    )
    .bind(&account.user_id)
    .bind(account.status.word())
    .bind(account.user_version)
    .bind(&account.email)
    .bind(&account.username)
    .bind(&account.display_name)
    .bind(account.available)
    .bind(account.reserved)
    .bind(account.last_seq)
    .bind(account.last_entry_at.map(clock::to_micros))
    .bind(account.next_expiry_at.map(clock::to_micros))
    .bind(account.welcome.word())
    .bind(clock::to_micros(now))
    .execute(connection)
    .await?;
    Ok(())
}

async fn insert_allocation(
    connection: &mut SqliteConnection,
    user_id: &str,
    allocation: &Allocation,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO credit_allocations
             (user_id, id, credits, remaining, expires_at, reason, metadata, actor, recorded_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(user_id)
    .bind(allocation.id)
    .bind(allocation.credits)
    .bind(allocation.remaining)
    .bind(allocation.expires_at.map(clock::to_micros))
    .bind(&allocation.reason)
    .bind(allocation.metadata.as_ref().map(ToString::to_string))
    .bind(&allocation.actor)
    .bind(clock::to_micros(allocation.recorded_at))
    .execute(connection)
    .await?;
    Ok(())
}

async fn update_allocation(
    connection: &mut SqliteConnection,
    user_id: &str,
    allocation: &Allocation,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE credit_allocations SET remaining = ? WHERE user_id = ? AND id = ?")
        .bind(allocation.remaining)
        .bind(user_id)
        .bind(allocation.id)
        .execute(connection)
        .await?;
    Ok(())
}

async fn insert_entry(
    connection: &mut SqliteConnection,
    user_id: &str,
    entry: &Entry,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO entries (user_id, seq, kind, credits, balance_after, allocation_id, actor, recorded_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(user_id)
    .bind(entry.seq)
    .bind(entry.kind.word())
    .bind(entry.credits)
    .bind(entry.balance_after)
    .bind(entry.allocation_id)
    .bind(&entry.actor)
    .bind(clock::to_micros(entry.recorded_at))
    .execute(connection)
    .await?;
    Ok(())
}

async fn insert_key(
    connection: &mut SqliteConnection,
    user_id: &str,
    record: &KeyRecord,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO idempotency_keys (user_id, client, key, fingerprint, resource, reply, recorded_at)
         VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(user_id)
    .bind(&record.key.client)
    .bind(&record.key.key)
    .bind(record.key.fingerprint.as_slice())
    .bind(&record.resource)
    .bind(&record.reply)
    .bind(clock::to_micros(record.recorded_at))
    .execute(connection)
    .await?;
    Ok(())
}
