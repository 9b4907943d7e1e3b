//! Reading without locks: accounts as they are now, and entries.

use accrue_chassis::clock::Clock;
use sqlx::postgres::{PgExecutor, PgRow, Postgres};
use sqlx::{PgConnection, PgPool, Row as _, Transaction};
use time::OffsetDateTime;

use super::{due, rows};
use crate::ledger::{AccountState, AccountStatus, Accounts, Entry, EntryKind};
use crate::store::{
    AccountFilter, AccountPosition, AccountView, DuePosition, EntryFilter, StoreError, named,
};

fn view(row: &PgRow) -> Result<AccountView, StoreError> {
    Ok(AccountView {
        account: rows::account(row)?,
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
    })
}

/// A transaction in which all statements see the same.
pub(super) async fn snapshot(pool: &PgPool) -> Result<Transaction<'static, Postgres>, StoreError> {
    Ok(pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?)
}

/// The same, and what time it is in it.
pub(super) async fn snapshot_of_now(
    pool: &PgPool,
    clock: &dyn Clock,
) -> Result<(Transaction<'static, Postgres>, OffsetDateTime), StoreError> {
    let mut snapshot = snapshot(pool).await?;
    let now = now(&mut *snapshot, clock).await?;
    Ok((snapshot, now))
}

/// What time it is: all processes have to agree on what has fallen due.
pub(super) async fn now(
    executor: impl PgExecutor<'_>,
    clock: &dyn Clock,
) -> Result<OffsetDateTime, StoreError> {
    Ok(clock.agreed(sqlx::query_scalar("SELECT clock_timestamp()").fetch_one(executor).await?))
}

/// The account with this id, if there is one: alone, and settled in memory if something
/// is due on it.
pub(super) async fn settled(
    snapshot: &mut PgConnection,
    user_id: &str,
    now: OffsetDateTime,
) -> Result<Option<AccountState>, StoreError> {
    let row = sqlx::query("SELECT * FROM accounts WHERE user_id = $1")
        .bind(user_id)
        .fetch_optional(&mut *snapshot)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let mut accounts = Accounts::from([(user_id.to_owned(), AccountState::new(rows::account(&row)?))]);
    settle(snapshot, &mut accounts, now).await?;
    Ok(accounts.remove(user_id))
}

async fn settle(
    snapshot: &mut PgConnection,
    accounts: &mut Accounts,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    due::due(snapshot, accounts, now, i64::MAX).await?;
    accounts
        .values_mut()
        .try_for_each(|state| state.settle(now).map_err(|rejection| named::unsettled(&rejection)))
}

/// One account.
pub(super) async fn account(
    pool: &PgPool,
    user_id: &str,
    clock: &dyn Clock,
) -> Result<Option<AccountView>, StoreError> {
    let query = "SELECT *, clock_timestamp() AS at FROM accounts WHERE user_id = $1";
    let Some(row) = sqlx::query(query).bind(user_id).fetch_optional(pool).await? else { return Ok(None) };
    let mut view = view(&row)?;
    if view.account.is_due(clock.agreed(row.try_get("at")?)) {
        let (mut snapshot, now) = snapshot_of_now(pool, clock).await?;
        let Some(state) = settled(&mut snapshot, user_id, now).await? else { return Ok(None) };
        snapshot.commit().await?;
        view.account = state.account;
    }
    Ok(Some(view))
}

/// A page of accounts, newest first.
pub(super) async fn accounts(
    pool: &PgPool,
    filter: &AccountFilter,
    after: Option<&AccountPosition>,
    limit: u32,
    clock: &dyn Clock,
) -> Result<Vec<AccountView>, StoreError> {
    let (mut snapshot, now) = snapshot_of_now(pool, clock).await?;
    let rows = sqlx::query(
        "SELECT * FROM accounts
         WHERE ($2::text IS NULL OR status = $2) AND ($3::text IS NULL OR email = $3)
             AND ($4::timestamptz IS NULL OR (created_at, user_id) < ($4, $5::text))
         ORDER BY created_at DESC, user_id DESC LIMIT $1",
    )
    .bind(i64::from(limit))
    .bind(filter.status.map(AccountStatus::word))
    .bind(filter.email.as_deref())
    .bind(after.map(|position| position.created_at))
    .bind(after.map(|position| position.user_id.as_str()))
    .fetch_all(&mut *snapshot)
    .await?;
    let views = settled_views(&mut snapshot, &rows, now).await?;
    snapshot.commit().await?;
    Ok(views)
}

/// The accounts in `rows`, settled in memory where something is due on them.
pub(super) async fn settled_views(
    snapshot: &mut PgConnection,
    rows: &[PgRow],
    now: OffsetDateTime,
) -> Result<Vec<AccountView>, StoreError> {
    let mut views: Vec<AccountView> = rows.iter().map(view).collect::<Result<_, _>>()?;
    let mut due: Accounts = views
        .iter()
        .filter(|view| view.account.is_due(now))
        .map(|view| (view.account.user_id.clone(), AccountState::new(view.account.clone())))
        .collect();
    due::due(snapshot, &mut due, now, i64::MAX).await?;
    named::settle_listed(&mut views, due, now);
    Ok(views)
}

/// Accounts on which something is due.
pub(super) async fn due_accounts(
    pool: &PgPool,
    after: Option<&DuePosition>,
    limit: u32,
    clock: &dyn Clock,
) -> Result<Vec<DuePosition>, StoreError> {
    let now = now(pool, clock).await?;
    let rows = sqlx::query(
        "SELECT next_due_at, user_id FROM accounts
         WHERE next_due_at <= $1 AND ($2::timestamptz IS NULL OR (next_due_at, user_id) > ($2, $3::text))
         ORDER BY next_due_at, user_id LIMIT $4",
    )
    .bind(now)
    .bind(after.map(|position| position.next_due_at))
    .bind(after.map(|position| position.user_id.as_str()))
    .bind(i64::from(limit))
    .fetch_all(pool)
    .await?;
    let position = |row: &PgRow| {
        Ok(DuePosition { next_due_at: row.try_get("next_due_at")?, user_id: row.try_get("user_id")? })
    };
    rows.iter().map(position).collect()
}

/// How many entries an account had before `at`, which is the `seq` of the last of them.
/// `recorded_at` never goes back and `seq` has no gaps, so halving finds it by the key.
pub(super) async fn seq_before(
    connection: &mut PgConnection,
    user_id: &str,
    at: OffsetDateTime,
) -> Result<i64, StoreError> {
    let found = sqlx::query_scalar(
        "WITH RECURSIVE search (low, high) AS (
             SELECT 0::bigint, COALESCE(max(seq), 0) FROM entries WHERE user_id = $1
             UNION ALL
             SELECT CASE WHEN recorded_at < $2 THEN seq ELSE low END,
                    CASE WHEN recorded_at < $2 THEN high ELSE seq - 1 END
             FROM search JOIN entries ON user_id = $1 AND seq = (low + high + 1) / 2
             WHERE low < high
         )
         SELECT low FROM search WHERE low = high",
    );
    Ok(found.bind(user_id).bind(at).fetch_one(connection).await?)
}

/// A page of entries, newest first.
pub(super) async fn entries(
    pool: &PgPool,
    user_id: &str,
    filter: &EntryFilter,
    limit: u32,
) -> Result<Vec<Entry>, StoreError> {
    let mut connection = pool.acquire().await?;
    let (mut first, mut end) = (1, filter.before_seq.unwrap_or(i64::MAX));
    if let Some(since) = filter.since {
        first = seq_before(&mut connection, user_id, since).await? + 1;
    }
    if let Some(until) = filter.until {
        end = end.min(seq_before(&mut connection, user_id, until).await? + 1);
    }
    let rows = sqlx::query(
        "SELECT seq, kind, credits, balance_after, reserved_after, draws, reference, counterparty, actor, reason,
                recorded_at, made_digest, text_salt, text_digest, hash
         FROM entries
         WHERE user_id = $1 AND seq >= $2 AND seq < $3 AND ($4::text IS NULL OR kind = $4)
         ORDER BY seq DESC LIMIT $5",
    )
    .bind(user_id)
    .bind(first)
    .bind(end)
    .bind(filter.kind.map(EntryKind::word))
    .bind(i64::from(limit))
    .fetch_all(&mut *connection)
    .await?;
    rows.iter().map(rows::entry).collect()
}
