//! The second half of a batch: write what the core decided, one statement a table.

use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::ledger::{Account, AccountState, Accounts, Allocation, Change, Entry, KeyRecord};
use crate::store::StoreError;

/// Writes every change that `accounts` hold.
pub(super) async fn save(
    connection: &mut PgConnection,
    accounts: &Accounts,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    update_accounts(connection, accounts, now).await?;
    insert_allocations(connection, &allocations(accounts, Change::Made)).await?;
    update_allocations(connection, &allocations(accounts, Change::Updated)).await?;
    insert_entries(connection, &of_each(accounts, |state| &state.entries)).await?;
    insert_keys(connection, &of_each(accounts, |state| &state.new_keys)).await
}

/// What `part` names of every account, with the account's id.
fn of_each<T>(accounts: &Accounts, part: impl Fn(&AccountState) -> &Vec<T>) -> Vec<(&str, &T)> {
    accounts
        .iter()
        .flat_map(|(user_id, state)| part(state).iter().map(move |item| (user_id.as_str(), item)))
        .collect()
}

fn allocations(accounts: &Accounts, change: Change) -> Vec<(&str, &Allocation)> {
    of_each(accounts, |state| &state.allocations)
        .into_iter()
        .filter(|(_, held)| held.change == change)
        .map(|(user_id, held)| (user_id, &held.allocation))
        .collect()
}

/// The values of one column.
fn column<'a, R, T>(rows: &'a [R], value: impl Fn(&'a R) -> T) -> Vec<T> {
    rows.iter().map(value).collect()
}

async fn update_accounts(
    connection: &mut PgConnection,
    accounts: &Accounts,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    let rows: Vec<&Account> =
        accounts.values().filter(|state| state.is_changed).map(|state| &state.account).collect();
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "UPDATE accounts SET
             status = new.status, user_version = new.user_version, email = new.email,
             username = new.username, display_name = new.display_name, available = new.available,
             reserved = new.reserved, last_seq = new.last_seq, last_entry_at = new.last_entry_at,
             next_expiry_at = new.next_expiry_at, welcome = new.welcome, updated_at = $13
         FROM UNNEST($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::bigint[],
                     $8::bigint[], $9::bigint[], $10::timestamptz[], $11::timestamptz[], $12::text[])
             AS new (user_id, status, user_version, email, username, display_name, available,
                     reserved, last_seq, last_entry_at, next_expiry_at, welcome)
         WHERE accounts.user_id = new.user_id",
    )
    .bind(column(&rows, |account| account.user_id.as_str()))
    .bind(column(&rows, |account| account.status.word()))
    .bind(column(&rows, |account| account.user_version))
    .bind(column(&rows, |account| account.email.as_deref()))
    .bind(column(&rows, |account| account.username.as_deref()))
    .bind(column(&rows, |account| account.display_name.as_deref()))
    .bind(column(&rows, |account| account.available))
    .bind(column(&rows, |account| account.reserved))
    .bind(column(&rows, |account| account.last_seq))
    .bind(column(&rows, |account| account.last_entry_at))
    .bind(column(&rows, |account| account.next_expiry_at))
    .bind(column(&rows, |account| account.welcome.word()))
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}

async fn insert_allocations(
    connection: &mut PgConnection,
    rows: &[(&str, &Allocation)],
) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO credit_allocations
             (user_id, id, credits, remaining, expires_at, reason, metadata, actor, recorded_at)
         SELECT user_id, id, credits, remaining, expires_at, reason, metadata::jsonb, actor, recorded_at
         FROM UNNEST($1::text[], $2::uuid[], $3::bigint[], $4::bigint[], $5::timestamptz[], $6::text[],
                     $7::text[], $8::text[], $9::timestamptz[])
             AS new (user_id, id, credits, remaining, expires_at, reason, metadata, actor, recorded_at)",
    )
    .bind(column(rows, |(user_id, _)| *user_id))
    .bind(column(rows, |(_, allocation)| allocation.id))
    .bind(column(rows, |(_, allocation)| allocation.credits))
    .bind(column(rows, |(_, allocation)| allocation.remaining))
    .bind(column(rows, |(_, allocation)| allocation.expires_at))
    .bind(column(rows, |(_, allocation)| allocation.reason.as_deref()))
    .bind(column(rows, |(_, allocation)| allocation.metadata.as_ref().map(ToString::to_string)))
    .bind(column(rows, |(_, allocation)| allocation.actor.as_str()))
    .bind(column(rows, |(_, allocation)| allocation.recorded_at))
    .execute(connection)
    .await?;
    Ok(())
}

async fn update_allocations(
    connection: &mut PgConnection,
    rows: &[(&str, &Allocation)],
) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "UPDATE credit_allocations AS old SET remaining = new.remaining
         FROM UNNEST($1::text[], $2::uuid[], $3::bigint[]) AS new (user_id, id, remaining)
         WHERE old.user_id = new.user_id AND old.id = new.id",
    )
    .bind(column(rows, |(user_id, _)| *user_id))
    .bind(column(rows, |(_, allocation)| allocation.id))
    .bind(column(rows, |(_, allocation)| allocation.remaining))
    .execute(connection)
    .await?;
    Ok(())
}

async fn insert_entries(connection: &mut PgConnection, rows: &[(&str, &Entry)]) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO entries (user_id, seq, kind, credits, balance_after, allocation_id, actor, recorded_at)
         SELECT * FROM UNNEST($1::text[], $2::bigint[], $3::text[], $4::bigint[], $5::bigint[], $6::uuid[],
                              $7::text[], $8::timestamptz[])",
    )
    .bind(column(rows, |(user_id, _)| *user_id))
    .bind(column(rows, |(_, entry)| entry.seq))
    .bind(column(rows, |(_, entry)| entry.kind.word()))
    .bind(column(rows, |(_, entry)| entry.credits))
    .bind(column(rows, |(_, entry)| entry.balance_after))
    .bind(column(rows, |(_, entry)| entry.allocation_id))
    .bind(column(rows, |(_, entry)| entry.actor.as_str()))
    .bind(column(rows, |(_, entry)| entry.recorded_at))
    .execute(connection)
    .await?;
    Ok(())
}

async fn insert_keys(connection: &mut PgConnection, rows: &[(&str, &KeyRecord)]) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO idempotency_keys (user_id, client, key, fingerprint, resource, reply, recorded_at)
         SELECT * FROM UNNEST($1::text[], $2::text[], $3::text[], $4::bytea[], $5::text[], $6::bytea[],
                              $7::timestamptz[])",
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
    Ok(())
}
