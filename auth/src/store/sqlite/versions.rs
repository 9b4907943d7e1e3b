//! Users by id, and the events of replays, in SQLite.

use accrue_chassis::clock::to_micros;
use sqlx::Row as _;
use sqlx::sqlite::{SqlitePool, SqliteRow};

use super::user_rows::parse_status;
use super::{StoreError, fault};
use crate::domain::Replay;
use crate::store::UserVersion;

/// One statement: nothing is written if the user is at another version, whose event has been
/// written, or if this one waits.
pub(super) async fn replay(writer: &SqlitePool, replay: &Replay) -> Result<(), StoreError> {
    let event = &replay.event;
    sqlx::query(
        "INSERT INTO outbox (event_id, user_id, routing_key, content_type, body, traceparent, written_at)
         SELECT ?1, user_id, ?3, ?4, ?5, ?6, ?7 FROM users WHERE user_id = ?2 AND version = ?8
         ON CONFLICT (event_id) DO NOTHING",
    )
    .bind(event.id)
    .bind(&replay.user_id)
    .bind(&event.routing_key)
    .bind(&event.content_type)
    .bind(&event.body)
    .bind(&event.traceparent)
    .bind(to_micros(replay.queued_at))
    .bind(replay.version)
    .execute(writer)
    .await
    .map(drop)
    .map_err(fault)
}

pub(super) async fn versions(
    readers: &SqlitePool,
    after: Option<String>,
    limit: u32,
) -> Result<Vec<UserVersion>, StoreError> {
    let query = sqlx::query(
        "SELECT user_id, version, status FROM users WHERE ?1 IS NULL OR user_id > ?1
         ORDER BY user_id LIMIT ?2",
    );
    let rows = query.bind(after).bind(limit).fetch_all(readers).await.map_err(fault)?;
    rows.iter().map(read_version).collect()
}

fn read_version(row: &SqliteRow) -> Result<UserVersion, StoreError> {
    let status: &str = row.try_get("status").map_err(fault)?;
    Ok(UserVersion {
        user_id: row.try_get("user_id").map_err(fault)?,
        version: row.try_get("version").map_err(fault)?,
        status: parse_status(status).ok_or_else(|| StoreError::corrupt("an unknown status"))?,
    })
}
