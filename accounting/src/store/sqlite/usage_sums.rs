//! Summing usages by day or month, on the index by day: a page reads what it shows.

use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection, SqlitePool};
use time::{Date, OffsetDateTime};

use super::{read, rows};
use crate::store::{Days, StoreError, UsageFilter, UsagePosition, UsageSum};

/// The day as the index has it: days since 1970.
fn number(day: Date) -> i64 {
    (day - OffsetDateTime::UNIX_EPOCH.date()).whole_days()
}

fn sum(row: &SqliteRow, begin: Date) -> Result<UsageSum, StoreError> {
    Ok(UsageSum {
        begin,
        user_id: row.try_get("user_id")?,
        resource: row.try_get("resource")?,
        credits: rows::sum(row, ["credits_high", "credits_low"])?,
        refunded: rows::sum(row, ["refunded_high", "refunded_low"])?,
        uncollected: rows::sum(row, ["uncollected_high", "uncollected_low"])?,
        count: row.try_get("count")?,
    })
}

/// A page of sums by day, user and resource: the newest day first, those of no resource last.
/// Day by day until the page is full, so that the index's order is the page's.
pub(super) async fn by_day(
    pool: &SqlitePool,
    filter: &UsageFilter,
    after: Option<&UsagePosition>,
    limit: u32,
) -> Result<Vec<UsageSum>, StoreError> {
    let mut snapshot = read::snapshot(pool).await?;
    let mut sums = Vec::new();
    let mut left = i64::from(limit);
    for day in after.map_or(filter.days, |after| filter.days.through(after.begin)).newest_first() {
        let after = after.filter(|after| after.begin == day);
        let rows = of_day(&mut snapshot, filter, (day, after), left).await?;
        left -= i64::try_from(rows.len()).unwrap_or(i64::MAX);
        for row in &rows {
            sums.push(sum(row, day)?);
        }
        if left <= 0 {
            break;
        }
    }
    snapshot.commit().await?;
    Ok(sums)
}

async fn of_day(
    snapshot: &mut SqliteConnection,
    filter: &UsageFilter,
    (day, after): (Date, Option<&UsagePosition>),
    limit: i64,
) -> Result<Vec<SqliteRow>, StoreError> {
    let after_user = after.map(|after| after.user_id.as_str());
    // A blob is behind every text: without a user's id there is no end.
    let rows = sqlx::query(
        "SELECT user_id, resource,
                sum(credits >> 32) AS credits_high, sum(credits & 4294967295) AS credits_low,
                sum(refunded >> 32) AS refunded_high, sum(refunded & 4294967295) AS refunded_low,
                sum(uncollected >> 32) AS uncollected_high, sum(uncollected & 4294967295) AS uncollected_low,
                count(*) AS count
         FROM usages INDEXED BY usages_by_day
         WHERE recorded_at / 86400000000 = ?1 AND user_id >= ?2 AND user_id <= ifnull(?3, x'')
             AND (?4 IS NULL OR resource = ?4)
             AND (?5 IS NULL OR user_id <> ?5 OR (?6 IS NOT NULL AND (resource > ?6 OR resource IS NULL)))
         GROUP BY user_id, resource IS NULL, resource
         ORDER BY user_id, resource IS NULL, resource LIMIT ?7",
    )
    .bind(number(day))
    .bind(filter.user_id.as_deref().or(after_user).unwrap_or_default())
    .bind(filter.user_id.as_deref())
    .bind(filter.resource.as_deref())
    .bind(after_user)
    .bind(after.and_then(|after| after.resource.as_deref()))
    .bind(limit)
    .fetch_all(snapshot)
    .await?;
    Ok(rows)
}

/// A page of one user's sums by month and resource, of the days asked for: the newest month
/// first, those of no resource last.
pub(super) async fn by_month(
    pool: &SqlitePool,
    (user_id, filter): (&str, &UsageFilter),
    after: Option<&UsagePosition>,
    limit: u32,
) -> Result<Vec<UsageSum>, StoreError> {
    let mut snapshot = read::snapshot(pool).await?;
    let mut sums = Vec::new();
    let mut left = i64::from(limit);
    for (month, days) in filter.days.months() {
        if left <= 0 {
            break;
        }
        if after.is_some_and(|after| after.begin < month) {
            continue;
        }
        let after = after.filter(|after| after.begin == month);
        let rows = of_month(&mut snapshot, (user_id, filter), (days, after), left).await?;
        left -= i64::try_from(rows.len()).unwrap_or(i64::MAX);
        for row in &rows {
            sums.push(sum(row, month)?);
        }
    }
    snapshot.commit().await?;
    Ok(sums)
}

async fn of_month(
    snapshot: &mut SqliteConnection,
    (user_id, filter): (&str, &UsageFilter),
    (days, after): (Days, Option<&UsagePosition>),
    limit: i64,
) -> Result<Vec<SqliteRow>, StoreError> {
    // By itself SQLite would go through all of the user's usages once for each day.
    let rows = sqlx::query(
        "WITH RECURSIVE days (day) AS (SELECT ?1 UNION ALL SELECT day + 1 FROM days WHERE day + 1 < ?2)
         SELECT user_id, resource,
                sum(credits >> 32) AS credits_high, sum(credits & 4294967295) AS credits_low,
                sum(refunded >> 32) AS refunded_high, sum(refunded & 4294967295) AS refunded_low,
                sum(uncollected >> 32) AS uncollected_high, sum(uncollected & 4294967295) AS uncollected_low,
                count(*) AS count
         FROM days CROSS JOIN usages INDEXED BY usages_by_day
             ON recorded_at / 86400000000 = day AND user_id = ?3
         WHERE (?4 IS NULL OR resource = ?4)
             AND (NOT ?5 OR (?6 IS NOT NULL AND (resource > ?6 OR resource IS NULL)))
         GROUP BY resource IS NULL, resource
         ORDER BY resource IS NULL, resource LIMIT ?7",
    )
    .bind(number(days.since))
    .bind(number(days.until))
    .bind(user_id)
    .bind(filter.resource.as_deref())
    .bind(after.is_some())
    .bind(after.and_then(|after| after.resource.as_deref()))
    .bind(limit)
    .fetch_all(snapshot)
    .await?;
    Ok(rows)
}
