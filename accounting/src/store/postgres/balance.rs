//! Reading a balance with what explains it, now or at an instant that has passed.
//!
//! Everything is summed in the database, of one account at a time; what comes here is a
//! page of allocations and as many sums.

use std::collections::BTreeSet;

use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgPool, Row as _};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{read, rows};
use crate::ledger::Flow;
use crate::store::StoreError;
use crate::store::explained::{AllocationsPage, ExplainedBalance, Instant, Sums, explained};

/// The balance of an account at `at`, with a page of its allocations.
pub(super) async fn balance(
    pool: &PgPool,
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
    snapshot: &mut PgConnection,
    (user_id, at): (&str, OffsetDateTime),
    last_seq: i64,
) -> Result<Sums, StoreError> {
    let last: Option<(i64, i64)> =
        sqlx::query_as("SELECT balance_after, reserved_after FROM entries WHERE user_id = $1 AND seq = $2")
            .bind(user_id)
            .bind(last_seq)
            .fetch_optional(&mut *snapshot)
            .await?;
    let flows = sqlx::query(
        "SELECT kind, sum(GREATEST(credits, 0))::text AS came, sum(GREATEST(-credits, 0))::text AS went,
                '0' AS reserved
         FROM entries WHERE user_id = $1 AND seq <= $2 GROUP BY kind",
    )
    .bind(user_id)
    .bind(last_seq)
    .fetch_all(&mut *snapshot)
    .await?;
    let made = sqlx::query(
        "SELECT sum(credits)::text AS credits, (sum(credits) FILTER (WHERE effective_at > $2))::text AS ahead
         FROM credit_allocations WHERE user_id = $1 AND recorded_at <= $2",
    )
    .bind(user_id)
    .bind(at)
    .fetch_one(&mut *snapshot)
    .await?;
    // Of an allocation whose time had not come, the entry of its void moves nothing.
    let forfeited = sqlx::query(
        "SELECT sum(allocation.credits)::text AS credits,
                (sum(allocation.credits) FILTER (WHERE effective_at > $3))::text AS ahead
         FROM entries JOIN credit_allocations AS allocation
             ON allocation.user_id = entries.user_id AND allocation.id = entries.reference
         WHERE entries.user_id = $1 AND seq <= $2 AND kind = 'void' AND entries.credits = 0",
    )
    .bind(user_id)
    .bind(last_seq)
    .bind(at)
    .fetch_one(&mut *snapshot)
    .await?;
    // So does that of a transfer, which names it all the same.
    let moved = sqlx::query(
        "SELECT sum(allocation.credits)::text AS credits,
                (sum(allocation.credits) FILTER (WHERE effective_at > $3))::text AS ahead
         FROM entries
         CROSS JOIN LATERAL json_to_recordset(draws)
             AS draw (allocation_id uuid, remaining bigint, reserved bigint)
         JOIN credit_allocations AS allocation
             ON allocation.user_id = entries.user_id AND allocation.id = allocation_id
         WHERE entries.user_id = $1 AND seq <= $2 AND kind = 'transfer_out'
             AND draw.remaining IS NULL AND draw.reserved IS NULL",
    )
    .bind(user_id)
    .bind(last_seq)
    .bind(at)
    .fetch_one(&mut *snapshot)
    .await?;
    Ok(Sums {
        balance: last.unwrap_or_default(),
        flows: flows.iter().map(flow).collect::<Result<_, _>>()?,
        credits: rows::sum(&made, "credits")?,
        ahead: rows::sum(&made, "ahead")?,
        forfeited: rows::sum(&forfeited, "credits")?,
        forfeited_ahead: rows::sum(&forfeited, "ahead")?,
        moved: rows::sum(&moved, "credits")?,
        moved_ahead: rows::sum(&moved, "ahead")?,
    })
}

fn flow(row: &PgRow) -> Result<Flow, StoreError> {
    Ok(Flow {
        kind: rows::kind(row)?,
        came: rows::sum(row, "came")?,
        went: rows::sum(row, "went")?,
        reserved: rows::sum(row, "reserved")?,
    })
}

async fn allocations(
    snapshot: &mut PgConnection,
    (user_id, at): (&str, OffsetDateTime),
    before: Option<Uuid>,
    limit: u32,
) -> Result<AllocationsPage, StoreError> {
    let rows = sqlx::query(
        "SELECT * FROM credit_allocations
         WHERE user_id = $1 AND recorded_at <= $2 AND ($3::uuid IS NULL OR id < $3)
         ORDER BY id DESC LIMIT $4",
    )
    .bind(user_id)
    .bind(at)
    .bind(before)
    .bind(i64::from(limit))
    .fetch_all(snapshot)
    .await?;
    let allocations = rows.iter().map(rows::allocation).collect::<Result<_, _>>()?;
    Ok(AllocationsPage { allocations, ..AllocationsPage::default() })
}

async fn draws(
    snapshot: &mut PgConnection,
    user_id: &str,
    (first_seq, last_seq): (i64, i64),
    page: &mut AllocationsPage,
) -> Result<(), StoreError> {
    let rows = sqlx::query(
        "SELECT allocation_id, kind, sum(GREATEST(moved, 0))::text AS came,
                sum(GREATEST(-moved, 0))::text AS went, sum(held)::text AS reserved
         FROM entries
         CROSS JOIN LATERAL json_to_recordset(draws)
             AS draw (allocation_id uuid, remaining bigint, reserved bigint)
         CROSS JOIN LATERAL (
             SELECT COALESCE(remaining, 0) + COALESCE(reserved, 0) AS moved, COALESCE(reserved, 0) AS held
         ) AS sums
         WHERE user_id = $1 AND seq BETWEEN $2 AND $3 AND allocation_id = ANY ($4::uuid[])
         GROUP BY allocation_id, kind",
    )
    .bind(user_id)
    .bind(first_seq)
    .bind(last_seq)
    .bind(page.ids())
    .fetch_all(snapshot)
    .await?;
    let drawn = |row: &PgRow| Ok((row.try_get("allocation_id")?, flow(row)?));
    page.flows = rows.iter().map(drawn).collect::<Result<_, StoreError>>()?;
    Ok(())
}

async fn voided(
    snapshot: &mut PgConnection,
    user_id: &str,
    (first_seq, last_seq): (i64, i64),
    page: &AllocationsPage,
) -> Result<BTreeSet<Uuid>, StoreError> {
    let ids: Vec<Uuid> = sqlx::query_scalar(
        "SELECT DISTINCT reference FROM entries
         WHERE user_id = $1 AND seq BETWEEN $2 AND $3 AND kind = 'void' AND reference = ANY ($4::uuid[])",
    )
    .bind(user_id)
    .bind(first_seq)
    .bind(last_seq)
    .bind(page.ids())
    .fetch_all(snapshot)
    .await?;
    Ok(ids.into_iter().collect())
}
