//! Reading a balance with what explains it, now or at an instant that has passed.
//!
//! Everything is summed in the database, of one account at a time; what comes here is a
//! page of allocations and as many sums.

use std::collections::BTreeSet;

use accrue_chassis::clock;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection, SqlitePool};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{read, rows, save_resources};
use crate::ledger::Flow;
use crate::store::StoreError;
use crate::store::explained::{AllocationsPage, ExplainedBalance, Instant, Sums, explained};

/// The balance of an account at `at`, with a page of its allocations.
pub(super) async fn balance(
    pool: &SqlitePool,
    (user_id, at): (&str, OffsetDateTime),
    before: Option<Uuid>,
    limit: u32,
) -> Result<Option<ExplainedBalance>, StoreError> {
    let mut snapshot = read::snapshot(pool).await?;
    let Some(state) = read::settled(&mut snapshot, user_id, at).await? else { return Ok(None) };
    let instant = Instant::new(state, at);
    let last_seq = if instant.latest.is_some() {
        instant.stored_seq
    } else {
        read::seq_before(&mut snapshot, user_id, instant.end()).await?
    };
    let sums = sums(&mut snapshot, (user_id, at), last_seq).await?;
    let mut page = allocations(&mut snapshot, (user_id, at), before, limit).await?;
    if let Some(begin) = page.begin() {
        let first_seq = read::seq_before(&mut snapshot, user_id, begin).await? + 1;
        draws(&mut snapshot, user_id, (first_seq, last_seq), &mut page).await?;
        if page.has_voided() {
            page.voided = voided(&mut snapshot, user_id, (first_seq, last_seq), &page).await?;
        }
    }
    snapshot.commit().await?;
    explained(&instant, &sums, page).map(Some)
}

async fn sums(
    snapshot: &mut SqliteConnection,
    (user_id, at): (&str, OffsetDateTime),
    last_seq: i64,
) -> Result<Sums, StoreError> {
    let last: Option<(i64, i64)> =
        sqlx::query_as("SELECT balance_after, reserved_after FROM entries WHERE user_id = ?1 AND seq = ?2")
            .bind(user_id)
            .bind(last_seq)
            .fetch_optional(&mut *snapshot)
            .await?;
    let flows = sqlx::query(
        "SELECT kind, sum(came >> 32) AS came_high, sum(came & 4294967295) AS came_low,
                sum(went >> 32) AS went_high, sum(went & 4294967295) AS went_low,
                0 AS reserved_high, 0 AS reserved_low
         FROM (SELECT kind, max(credits, 0) AS came, max(-credits, 0) AS went
               FROM entries WHERE user_id = ?1 AND seq <= ?2)
         GROUP BY kind",
    )
    .bind(user_id)
    .bind(last_seq)
    .fetch_all(&mut *snapshot)
    .await?;
    let made = sqlx::query(
        "SELECT sum(credits >> 32) AS credits_high, sum(credits & 4294967295) AS credits_low,
                sum(credits >> 32) FILTER (WHERE effective_at > ?2) AS ahead_high,
                sum(credits & 4294967295) FILTER (WHERE effective_at > ?2) AS ahead_low
         FROM credit_allocations WHERE user_id = ?1 AND recorded_at <= ?2",
    )
    .bind(user_id)
    .bind(clock::to_micros(at))
    .fetch_one(&mut *snapshot)
    .await?;
    // Of an allocation whose time had not come, the entry of its void moves nothing.
    let forfeited = sqlx::query(
        "SELECT sum(allocation.credits >> 32) AS credits_high,
                sum(allocation.credits & 4294967295) AS credits_low,
                sum(allocation.credits >> 32) FILTER (WHERE effective_at > ?3) AS ahead_high,
                sum(allocation.credits & 4294967295) FILTER (WHERE effective_at > ?3) AS ahead_low
         FROM entries CROSS JOIN credit_allocations AS allocation
             ON allocation.user_id = entries.user_id AND allocation.id = entries.reference
         WHERE entries.user_id = ?1 AND seq <= ?2 AND kind = 'void' AND entries.credits = 0",
    )
    .bind(user_id)
    .bind(last_seq)
    .bind(clock::to_micros(at))
    .fetch_one(&mut *snapshot)
    .await?;
    // So does that of a transfer, which names it all the same.
    let moved = sqlx::query(
        "SELECT sum(allocation.credits >> 32) AS credits_high,
                sum(allocation.credits & 4294967295) AS credits_low,
                sum(allocation.credits >> 32) FILTER (WHERE effective_at > ?3) AS ahead_high,
                sum(allocation.credits & 4294967295) FILTER (WHERE effective_at > ?3) AS ahead_low
         FROM entries CROSS JOIN json_each(draws) AS draw CROSS JOIN credit_allocations AS allocation
             ON allocation.user_id = entries.user_id
             AND allocation.id = unhex(replace(draw.value ->> 'allocation_id', '-', ''))
         WHERE entries.user_id = ?1 AND seq <= ?2 AND kind = 'transfer_out'
             AND draw.value ->> 'remaining' IS NULL AND draw.value ->> 'reserved' IS NULL",
    )
    .bind(user_id)
    .bind(last_seq)
    .bind(clock::to_micros(at))
    .fetch_one(&mut *snapshot)
    .await?;
    Ok(Sums {
        balance: last.unwrap_or_default(),
        flows: flows.iter().map(flow).collect::<Result<_, _>>()?,
        credits: rows::sum(&made, ["credits_high", "credits_low"])?,
        ahead: rows::sum(&made, ["ahead_high", "ahead_low"])?,
        forfeited: rows::sum(&forfeited, ["credits_high", "credits_low"])?,
        forfeited_ahead: rows::sum(&forfeited, ["ahead_high", "ahead_low"])?,
        moved: rows::sum(&moved, ["credits_high", "credits_low"])?,
        moved_ahead: rows::sum(&moved, ["ahead_high", "ahead_low"])?,
    })
}

fn flow(row: &SqliteRow) -> Result<Flow, StoreError> {
    Ok(Flow {
        kind: rows::kind(row)?,
        came: rows::sum(row, ["came_high", "came_low"])?,
        went: rows::sum(row, ["went_high", "went_low"])?,
        reserved: rows::sum(row, ["reserved_high", "reserved_low"])?,
    })
}

async fn allocations(
    snapshot: &mut SqliteConnection,
    (user_id, at): (&str, OffsetDateTime),
    before: Option<Uuid>,
    limit: u32,
) -> Result<AllocationsPage, StoreError> {
    let rows = sqlx::query(
        "SELECT * FROM credit_allocations
         WHERE user_id = ?1 AND recorded_at <= ?2 AND (?3 IS NULL OR id < ?3)
         ORDER BY id DESC LIMIT ?4",
    )
    .bind(user_id)
    .bind(clock::to_micros(at))
    .bind(before)
    .bind(i64::from(limit))
    .fetch_all(snapshot)
    .await?;
    let allocations = rows.iter().map(rows::allocation).collect::<Result<_, _>>()?;
    Ok(AllocationsPage { allocations, ..AllocationsPage::default() })
}

async fn draws(
    snapshot: &mut SqliteConnection,
    user_id: &str,
    (first_seq, last_seq): (i64, i64),
    page: &mut AllocationsPage,
) -> Result<(), StoreError> {
    let rows = sqlx::query(
        "SELECT allocation_id, kind,
                sum(max(moved, 0) >> 32) AS came_high, sum(max(moved, 0) & 4294967295) AS came_low,
                sum(max(-moved, 0) >> 32) AS went_high, sum(max(-moved, 0) & 4294967295) AS went_low,
                sum(held >> 32) AS reserved_high, sum(held & 4294967295) AS reserved_low
         FROM (SELECT kind, value ->> 'allocation_id' AS allocation_id,
                      ifnull(value ->> 'remaining', 0) + ifnull(value ->> 'reserved', 0) AS moved,
                      ifnull(value ->> 'reserved', 0) AS held
               FROM entries, json_each(draws)
               WHERE user_id = ?1 AND seq BETWEEN ?2 AND ?3
                   AND value ->> 'allocation_id' IN (SELECT value FROM json_each(?4)))
         GROUP BY allocation_id, kind",
    )
    .bind(user_id)
    .bind(first_seq)
    .bind(last_seq)
    .bind(save_resources::json(&page.ids()))
    .fetch_all(snapshot)
    .await?;
    let drawn = |row: &SqliteRow| {
        let id = Uuid::parse_str(row.try_get("allocation_id")?)
            .map_err(|_| StoreError::Corrupt("an entry draws on what is no id".to_owned()))?;
        Ok((id, flow(row)?))
    };
    page.flows = rows.iter().map(drawn).collect::<Result<_, StoreError>>()?;
    Ok(())
}

async fn voided(
    snapshot: &mut SqliteConnection,
    user_id: &str,
    (first_seq, last_seq): (i64, i64),
    page: &AllocationsPage,
) -> Result<BTreeSet<Uuid>, StoreError> {
    let ids: Vec<Uuid> = sqlx::query_scalar(
        "SELECT DISTINCT reference FROM entries
         WHERE user_id = ?1 AND seq BETWEEN ?2 AND ?3 AND kind = 'void'",
    )
    .bind(user_id)
    .bind(first_seq)
    .bind(last_seq)
    .fetch_all(snapshot)
    .await?;
    let page: BTreeSet<Uuid> = page.ids().into_iter().collect();
    Ok(ids.into_iter().filter(|id| page.contains(id)).collect())
}
