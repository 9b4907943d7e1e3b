//! The second half of a batch on SQLite: write what the core decided, row by row. There
//! is no network between the rows, so nothing is gained by sending them together.

use std::collections::BTreeSet;

use accrue_chassis::clock;
use sqlx::SqliteConnection;
use time::OffsetDateTime;

use super::save_resources;
use crate::ledger::{Account, Accounts, Entry, KeyRecord};
use crate::store::StoreError;

/// Writes every change that `accounts` hold. Those of them that are `missing` are made
/// if something was booked on them: what is refused leaves nothing behind.
pub(super) async fn save(
    connection: &mut SqliteConnection,
    accounts: &Accounts,
    missing: &BTreeSet<String>,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    for (user_id, state) in accounts {
        if state.is_changed && missing.contains(user_id) {
            insert_account(connection, user_id, now).await?;
        }
        if state.is_changed {
            update_account(connection, &state.account, now).await?;
        }
        save_resources::save(connection, user_id, state).await?;
        for entry in &state.entries {
            insert_entry(connection, user_id, entry).await?;
        }
        for record in &state.new_keys {
            insert_key(connection, user_id, record).await?;
        }
    }
    Ok(())
}

async fn insert_account(
    connection: &mut SqliteConnection,
    user_id: &str,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO accounts (user_id, created_at, updated_at) VALUES (?1, ?2, ?2)")
        .bind(user_id)
        .bind(clock::to_micros(now))
        .execute(connection)
        .await?;
    Ok(())
}

async fn update_account(
    connection: &mut SqliteConnection,
    account: &Account,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE accounts SET status = ?2, user_version = ?3, email = ?4, username = ?5, display_name = ?6,
             available = ?7, reserved = ?8, last_seq = ?9, last_entry_at = ?10, next_due_at = ?11,
             welcome = ?12, updated_at = ?13, pending = ?14, chain_head = ?15
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
    .bind(account.next_due_at.map(clock::to_micros))
    .bind(account.welcome.word())
    .bind(clock::to_micros(now))
    .bind(account.pending)
    .bind(account.chain_head.as_ref().map(<[u8; 32]>::as_slice))
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
        "INSERT INTO entries (user_id, seq, kind, credits, balance_after, reserved_after, draws, reference,
                              actor, reason, recorded_at, counterparty, made_digest, text_salt, text_digest,
                              hash)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(user_id)
    .bind(entry.seq)
    .bind(entry.kind.word())
    .bind(entry.credits)
    .bind(entry.balance_after)
    .bind(entry.reserved_after)
    .bind(save_resources::json(&entry.draws))
    .bind(entry.reference)
    .bind(&entry.actor)
    .bind(&entry.reason)
    .bind(clock::to_micros(entry.recorded_at))
    .bind(&entry.counterparty)
    .bind(entry.seal.made_digest.as_ref().map(<[u8; 32]>::as_slice))
    .bind(entry.seal.text_salt.as_ref().map(<[u8; 16]>::as_slice))
    .bind(entry.seal.text_digest.as_ref().map(<[u8; 32]>::as_slice))
    .bind(entry.seal.hash.as_slice())
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
