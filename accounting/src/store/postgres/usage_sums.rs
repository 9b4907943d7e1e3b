//! Summing usages by day or month, on the index by day: a page reads what it shows.

use sqlx::postgres::PgRow;
use sqlx::{PgPool, Row as _};

use super::rows;
use crate::store::{StoreError, UsageFilter, UsagePosition, UsageSum};

fn sum(row: &PgRow) -> Result<UsageSum, StoreError> {
    Ok(UsageSum {
        begin: row.try_get("begin")?,
        user_id: row.try_get("user_id")?,
        resource: row.try_get("resource")?,
        credits: rows::sum(row, "credits")?,
        refunded: rows::sum(row, "refunded")?,
        uncollected: rows::sum(row, "uncollected")?,
        count: row.try_get("count")?,
    })
}

/// A page of sums by day, user and resource: the newest day first, those of no resource last.
/// Day by day, each no further than the page, so that the index's order is the page's.
pub(super) async fn by_day(
    pool: &PgPool,
    filter: &UsageFilter,
    after: Option<&UsagePosition>,
    limit: u32,
) -> Result<Vec<UsageSum>, StoreError> {
    let days = after.map_or(filter.days, |after| filter.days.through(after.begin));
    let rows = sqlx::query(
        "SELECT days.day AS begin, sums.*
         FROM (
             SELECT day::date FROM generate_series($1::date::timestamp, $2::date::timestamp, interval '1 day')
                 AS day
             WHERE day < $2 ORDER BY day DESC
         ) AS days
         CROSS JOIN LATERAL (
             SELECT user_id, resource COLLATE \"C\" AS resource, sum(credits)::text AS credits,
                    sum(refunded)::text AS refunded, sum(uncollected)::text AS uncollected, count(*) AS count
             FROM usages
             WHERE (recorded_at AT TIME ZONE 'UTC')::date = days.day
                 AND ($3::text IS NULL OR user_id = $3) AND ($4::text IS NULL OR resource = $4)
                 AND ($5::date IS NULL OR user_id >= CASE WHEN days.day = $5 THEN $6::text ELSE '' END)
                 AND ($5::date IS NULL OR days.day <> $5 OR user_id <> $6
                      OR ($7::text IS NOT NULL AND (resource COLLATE \"C\" > $7 OR resource IS NULL)))
             GROUP BY user_id, resource COLLATE \"C\"
             ORDER BY user_id, resource COLLATE \"C\" LIMIT $8
         ) AS sums
         ORDER BY days.day DESC, sums.user_id, sums.resource LIMIT $8",
    )
    .bind(days.since)
    .bind(days.until)
    .bind(filter.user_id.as_deref())
    .bind(filter.resource.as_deref())
    .bind(after.map(|after| after.begin))
    .bind(after.map(|after| after.user_id.as_str()))
    .bind(after.and_then(|after| after.resource.as_deref()))
    .bind(i64::from(limit))
    .fetch_all(pool)
    .await?;
    rows.iter().map(sum).collect()
}

/// A page of one user's sums by month and resource, of the days asked for: the newest month
/// first, those of no resource last.
pub(super) async fn by_month(
    pool: &PgPool,
    (user_id, filter): (&str, &UsageFilter),
    after: Option<&UsagePosition>,
    limit: u32,
) -> Result<Vec<UsageSum>, StoreError> {
    let rows = sqlx::query(
        "SELECT date_trunc('month', days.day)::date AS begin, $3 AS user_id, sums.resource,
                sum(sums.credits)::text AS credits, sum(sums.refunded)::text AS refunded,
                sum(sums.uncollected)::text AS uncollected, sum(sums.count)::bigint AS count
         FROM generate_series($1::date::timestamp, $2::date::timestamp, interval '1 day') AS days (day)
         CROSS JOIN LATERAL (
             SELECT resource COLLATE \"C\" AS resource, sum(credits) AS credits, sum(refunded) AS refunded,
                    sum(uncollected) AS uncollected, count(*) AS count
             FROM usages
             WHERE (recorded_at AT TIME ZONE 'UTC')::date = days.day::date AND user_id = $3
                 AND ($4::text IS NULL OR resource = $4)
             GROUP BY resource COLLATE \"C\"
         ) AS sums
         WHERE days.day < $2
             AND ($5::date IS NULL OR date_trunc('month', days.day) < $5
                  OR (date_trunc('month', days.day) = $5 AND $6::text IS NOT NULL
                      AND (sums.resource > $6 OR sums.resource IS NULL)))
         GROUP BY 1, sums.resource ORDER BY 1 DESC, sums.resource LIMIT $7",
    )
    .bind(filter.days.since)
    .bind(filter.days.until)
    .bind(user_id)
    .bind(filter.resource.as_deref())
    .bind(after.map(|after| after.begin))
    .bind(after.and_then(|after| after.resource.as_deref()))
    .bind(i64::from(limit))
    .fetch_all(pool)
    .await?;
    rows.iter().map(sum).collect()
}
