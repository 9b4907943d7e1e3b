//! The second half of a batch: write what the core decided, one statement a table.

use std::collections::BTreeSet;

use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use sqlx::{PgConnection, Postgres};
use time::OffsetDateTime;

use super::save_resources;
use crate::ledger::{Account, AccountState, Accounts, Entry, KeyRecord};
use crate::store::StoreError;

/// Writes every change that `accounts` hold, but for those that were `made`. Not, and says so, if one of the new keys was
/// used before: the transaction is of no more use then. Keys come first, since a batch that
/// is posted again makes everything under the same ids again.
pub(super) async fn save(
    connection: &mut PgConnection,
    accounts: &Accounts,
    made: &BTreeSet<&str>,
    now: OffsetDateTime,
) -> Result<bool, StoreError> {
    if !insert_keys(connection, &of_each(accounts, |state| &state.new_keys)).await? {
        return Ok(false);
    }
    update_accounts(connection, accounts, made, now).await?;
    save_resources::save(connection, accounts).await?;
    insert_entries(connection, &of_each(accounts, |state| &state.entries)).await?;
    Ok(true)
}

/// What `part` names of every account, with the account's id.
fn of_each<T>(accounts: &Accounts, part: impl Fn(&AccountState) -> &Vec<T>) -> Vec<(&str, &T)> {
    accounts
        .iter()
        .flat_map(|(user_id, state)| part(state).iter().map(move |item| (user_id.as_str(), item)))
        .collect()
}

/// The values of one column.
pub(super) fn column<'a, R, T>(rows: &'a [R], value: impl Fn(&'a R) -> T) -> Vec<T> {
    rows.iter().map(value).collect()
}

/// Makes those of the `missing` accounts on which something was decided. Not, and says so, if
/// somebody else has made one of them since: the transaction is of no more use then.
pub(super) async fn insert_accounts(
    connection: &mut PgConnection,
    accounts: &Accounts,
    missing: &BTreeSet<&str>,
    now: OffsetDateTime,
) -> Result<bool, StoreError> {
    let rows = changed(accounts, |user_id| missing.contains(user_id));
    if rows.is_empty() {
        return Ok(true);
    }
    let inserted = bind_accounts(
        "INSERT INTO accounts (user_id, status, user_version, email, username, display_name, available,
                               reserved, last_seq, last_entry_at, next_due_at, welcome, pending, chain_head,
                               created_at, updated_at)
         SELECT user_id, status, user_version, email, username, display_name, available, reserved, last_seq,
                last_entry_at, next_due_at, welcome, pending, chain_head, $13, $13
         FROM UNNEST($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::bigint[],
                     $8::bigint[], $9::bigint[], $10::timestamptz[], $11::timestamptz[], $12::text[],
                     $14::bigint[], $15::bytea[]) WITH ORDINALITY
             AS new (user_id, status, user_version, email, username, display_name, available, reserved,
                     last_seq, last_entry_at, next_due_at, welcome, pending, chain_head, place)
         ORDER BY place
         ON CONFLICT (user_id) DO NOTHING",
        &rows,
        now,
    );
    Ok(inserted.execute(connection).await?.rows_affected() == rows.len() as u64)
}

async fn update_accounts(
    connection: &mut PgConnection,
    accounts: &Accounts,
    made: &BTreeSet<&str>,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    let rows = changed(accounts, |user_id| !made.contains(user_id));
    if rows.is_empty() {
        return Ok(());
    }
    let updated = bind_accounts(
        "UPDATE accounts SET
             status = new.status, user_version = new.user_version, email = new.email,
             username = new.username, display_name = new.display_name, available = new.available,
             reserved = new.reserved, last_seq = new.last_seq, last_entry_at = new.last_entry_at,
             next_due_at = new.next_due_at, welcome = new.welcome, pending = new.pending,
             chain_head = new.chain_head, updated_at = $13
         FROM UNNEST($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::bigint[],
                     $8::bigint[], $9::bigint[], $10::timestamptz[], $11::timestamptz[], $12::text[],
                     $14::bigint[], $15::bytea[])
             AS new (user_id, status, user_version, email, username, display_name, available,
                     reserved, last_seq, last_entry_at, next_due_at, welcome, pending, chain_head)
         WHERE accounts.user_id = new.user_id",
        &rows,
        now,
    );
    updated.execute(connection).await?;
    Ok(())
}

/// The accounts that were changed, of those that `is_meant` takes, in the order of their ids.
fn changed(accounts: &Accounts, is_meant: impl Fn(&str) -> bool) -> Vec<&Account> {
    let changed = accounts.iter().filter(|(user_id, state)| state.is_changed && is_meant(user_id));
    changed.map(|(_, state)| &state.account).collect()
}

fn bind_accounts<'q>(
    statement: &'static str,
    rows: &'q [&'q Account],
    now: OffsetDateTime,
) -> Query<'q, Postgres, PgArguments> {
    sqlx::query(statement)
        .bind(column(rows, |account| account.user_id.as_str()))
        .bind(column(rows, |account| account.status.word()))
        .bind(column(rows, |account| account.user_version))
        .bind(column(rows, |account| account.email.as_deref()))
        .bind(column(rows, |account| account.username.as_deref()))
        .bind(column(rows, |account| account.display_name.as_deref()))
        .bind(column(rows, |account| account.available))
        .bind(column(rows, |account| account.reserved))
        .bind(column(rows, |account| account.last_seq))
        .bind(column(rows, |account| account.last_entry_at))
        .bind(column(rows, |account| account.next_due_at))
        .bind(column(rows, |account| account.welcome.word()))
        .bind(now)
        .bind(column(rows, |account| account.pending))
        .bind(column(rows, |account| account.chain_head.as_ref().map(<[u8; 32]>::as_slice)))
}

async fn insert_entries(connection: &mut PgConnection, rows: &[(&str, &Entry)]) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO entries (user_id, seq, kind, credits, balance_after, reserved_after, draws, reference,
                              actor, reason, recorded_at, counterparty, made_digest, text_salt, text_digest,
                              hash)
         SELECT user_id, seq, kind, credits, balance_after, reserved_after, draws::json, reference, actor,
                reason, recorded_at, counterparty, made_digest, text_salt, text_digest, hash
         FROM UNNEST($1::text[], $2::bigint[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[],
                     $7::text[], $8::uuid[], $9::text[], $10::text[], $11::timestamptz[], $12::text[],
                     $13::bytea[], $14::bytea[], $15::bytea[], $16::bytea[])
             AS new (user_id, seq, kind, credits, balance_after, reserved_after, draws, reference, actor,
                     reason, recorded_at, counterparty, made_digest, text_salt, text_digest, hash)",
    )
    .bind(column(rows, |(user_id, _)| *user_id))
    .bind(column(rows, |(_, entry)| entry.seq))
    .bind(column(rows, |(_, entry)| entry.kind.word()))
    .bind(column(rows, |(_, entry)| entry.credits))
    .bind(column(rows, |(_, entry)| entry.balance_after))
    .bind(column(rows, |(_, entry)| entry.reserved_after))
    .bind(column(rows, |(_, entry)| save_resources::json(&entry.draws)))
    .bind(column(rows, |(_, entry)| entry.reference))
    .bind(column(rows, |(_, entry)| entry.actor.as_str()))
    .bind(column(rows, |(_, entry)| entry.reason.as_deref()))
    .bind(column(rows, |(_, entry)| entry.recorded_at))
    .bind(column(rows, |(_, entry)| entry.counterparty.as_deref()))
    .bind(column(rows, |(_, entry)| entry.seal.made_digest.as_ref().map(<[u8; 32]>::as_slice)))
    .bind(column(rows, |(_, entry)| entry.seal.text_salt.as_ref().map(<[u8; 16]>::as_slice)))
    .bind(column(rows, |(_, entry)| entry.seal.text_digest.as_ref().map(<[u8; 32]>::as_slice)))
    .bind(column(rows, |(_, entry)| entry.seal.hash.as_slice()))
    .execute(connection)
    .await?;
    Ok(())
}

/// Says whether all of them were new.
async fn insert_keys(connection: &mut PgConnection, rows: &[(&str, &KeyRecord)]) -> Result<bool, StoreError> {
    if rows.is_empty() {
        return Ok(true);
    }
    let inserted = sqlx::query(
        "INSERT INTO idempotency_keys (user_id, client, key, fingerprint, resource, reply, recorded_at)
         SELECT * FROM UNNEST($1::text[], $2::text[], $3::text[], $4::bytea[], $5::text[], $6::bytea[],
                              $7::timestamptz[])
         ON CONFLICT DO NOTHING",
    )
    .bind(column(rows, |(user_id, _)| *user_id))
    .bind(column(rows, |(_, record)| record.key.client.as_str()))
    .bind(column(rows, |(_, record)| record.key.key.as_str()))
    .bind(column(rows, |(_, record)| record.key.fingerprint.as_slice()))
    .bind(column(rows, |(_, record)| record.resource.as_str()))
    .bind(column(rows, |(_, record)| record.reply.as_slice()))
    .bind(column(rows, |(_, record)| record.recorded_at))
    .execute(connection)
    .await?;
    Ok(inserted.rows_affected() == rows.len() as u64)
}
