//! Reading without locks: accounts, entries and allocations as they are now.

use accrue_chassis::clock;
use sqlx::SqlitePool;
use sqlx::sqlite::SqliteRow;
use time::OffsetDateTime;
use uuid::Uuid;

use super::rows;
use crate::ledger::{AccountStatus, Allocation, Entry};
use crate::store::{AccountFilter, AccountPosition, AccountView, StoreError};

fn view(row: &SqliteRow) -> Result<AccountView, StoreError> {
    Ok(AccountView {
        account: rows::account(row)?,
        created_at: rows::time(row, "created_at")?,
        updated_at: rows::time(row, "updated_at")?,
    })
}

/// One account; `available` without what has run out and is not booked yet.
pub(super) async fn account(
    pool: &SqlitePool,
    user_id: &str,
    now: OffsetDateTime,
) -> Result<Option<AccountView>, StoreError> {
    let row = sqlx::query(
        "SELECT user_id, status, user_version, email, username, display_name, reserved, last_seq,
                last_entry_at, next_expiry_at, welcome, created_at, updated_at,
                available - CASE WHEN next_expiry_at <= ?2 THEN (
                    SELECT COALESCE(sum(remaining), 0) FROM credit_allocations AS ended
                    WHERE ended.user_id = accounts.user_id AND remaining > 0 AND expires_at <= ?2
                ) ELSE 0 END AS available
         FROM accounts WHERE user_id = ?1",
    )
    .bind(user_id)
    .bind(clock::to_micros(now))
    .fetch_optional(pool)
    .await?;
    row.as_ref().map(view).transpose()
}

/// A page of accounts, newest first.
pub(super) async fn accounts(
    pool: &SqlitePool,
    filter: &AccountFilter,
    after: Option<&AccountPosition>,
    limit: u32,
    now: OffsetDateTime,
) -> Result<Vec<AccountView>, StoreError> {
    let rows = sqlx::query(
        "SELECT user_id, status, user_version, email, username, display_name, reserved, last_seq,
                last_entry_at, next_expiry_at, welcome, created_at, updated_at,
                available - CASE WHEN next_expiry_at <= ?2 THEN (
                    SELECT COALESCE(sum(remaining), 0) FROM credit_allocations AS ended
                    WHERE ended.user_id = accounts.user_id AND remaining > 0 AND expires_at <= ?2
                ) ELSE 0 END AS available
         FROM accounts
         WHERE (?3 IS NULL OR status = ?3) AND (?4 IS NULL OR email = ?4)
             AND (?5 IS NULL OR (created_at, user_id) < (?5, ?6))
         ORDER BY created_at DESC, user_id DESC LIMIT ?1",
    )
    .bind(i64::from(limit))
    .bind(clock::to_micros(now))
    .bind(filter.status.map(AccountStatus::word))
    .bind(&filter.email)
    .bind(after.map(|position| clock::to_micros(position.created_at)))
    .bind(after.map(|position| position.user_id.as_str()))
    .fetch_all(pool)
    .await?;
    rows.iter().map(view).collect()
}

/// A page of entries, newest first.
pub(super) async fn entries(
    pool: &SqlitePool,
    user_id: &str,
    before_seq: Option<i64>,
    limit: u32,
) -> Result<Vec<Entry>, StoreError> {
    let rows = sqlx::query(
        "SELECT seq, kind, credits, balance_after, allocation_id, actor, recorded_at FROM entries
         WHERE user_id = ? AND seq < ? ORDER BY seq DESC LIMIT ?",
    )
    .bind(user_id)
    .bind(before_seq.unwrap_or(i64::MAX))
    .bind(i64::from(limit))
    .fetch_all(pool)
    .await?;
    rows.iter().map(rows::entry).collect()
}

/// One allocation; nothing remains of it once it has run out.
pub(super) async fn allocation(
    pool: &SqlitePool,
    user_id: &str,
    id: Uuid,
    now: OffsetDateTime,
) -> Result<Option<Allocation>, StoreError> {
    let row = sqlx::query(
        "SELECT id, credits, CASE WHEN expires_at <= ?3 THEN 0 ELSE remaining END AS remaining,
                expires_at, reason, metadata, actor, recorded_at
         FROM credit_allocations WHERE user_id = ?1 AND id = ?2",
    )
    .bind(user_id)
    .bind(id)
    .bind(clock::to_micros(now))
    .fetch_optional(pool)
    .await?;
    row.as_ref().map(rows::allocation).transpose()
}
