//! Sessions in SQLite.

use accrue_chassis::clock::{from_micros, to_micros};
use async_trait::async_trait;
use sqlx::sqlite::{SqlitePool, SqliteRow};
use sqlx::{Connection as _, Row as _};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{BEGIN, SqliteStore, StoreError, fault};
use crate::domain::{Rotation, Session, USED_TOKENS, UsedToken};
use crate::store::SessionStore;
use crate::store::digests::{join, one, split};
use crate::store::used_tokens::{join_times, pair, part, split_times};

#[async_trait]
impl SessionStore for SqliteStore {
    async fn begin_session(&self, session: &Session) -> Result<(), StoreError> {
        let (writer, session) = (self.writer.clone(), session.clone());
        self.calls.run(async move { begin(&writer, session).await }).await
    }

    async fn session(&self, session_id: Uuid) -> Result<Option<Session>, StoreError> {
        let readers = self.readers.clone();
        let query = sqlx::query("SELECT * FROM sessions WHERE session_id = ?1").bind(session_id.to_string());
        let row = self.calls.run(async move { query.fetch_optional(&readers).await.map_err(fault) }).await?;
        row.as_ref().map(read).transpose()
    }

    async fn rotate_session(&self, rotation: &Rotation) -> Result<bool, StoreError> {
        let (writer, rotation) = (self.writer.clone(), rotation.clone());
        self.calls.run(async move { rotate(&writer, &rotation).await }).await
    }

    async fn sessions_of(
        &self,
        user_id: &str,
        epoch: i64,
        now: OffsetDateTime,
        before: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<Session>, StoreError> {
        let (readers, user_id) = (self.readers.clone(), user_id.to_owned());
        let rows = self.calls.run(async move {
            sqlx::query(
                "SELECT * FROM sessions
                 WHERE user_id = ?1 AND epoch = ?2 AND expires_at > ?3 AND (?4 IS NULL OR session_id < ?4)
                 ORDER BY session_id DESC LIMIT ?5",
            )
            .bind(user_id)
            .bind(epoch)
            .bind(to_micros(now))
            .bind(before.map(|id| id.to_string()))
            .bind(limit)
            .fetch_all(&readers)
            .await
            .map_err(fault)
        });
        rows.await?.iter().map(read).collect()
    }

    async fn carry_session(&self, user_id: &str, session_id: Uuid, epoch: i64) -> Result<bool, StoreError> {
        let writer = self.writer.clone();
        let update = sqlx::query(
            "UPDATE sessions SET epoch = ?3 WHERE session_id = ?1 AND user_id = ?2 AND epoch = ?3 - 1",
        )
        .bind(session_id.to_string())
        .bind(user_id.to_owned())
        .bind(epoch);
        let done = self.calls.run(async move { update.execute(&writer).await.map_err(fault) }).await?;
        Ok(done.rows_affected() > 0)
    }

    async fn end_session(&self, user_id: &str, session_id: Uuid) -> Result<bool, StoreError> {
        let (writer, user_id) = (self.writer.clone(), user_id.to_owned());
        let ended = self.calls.run(async move {
            sqlx::query("DELETE FROM sessions WHERE session_id = ?1 AND user_id = ?2")
                .bind(session_id.to_string())
                .bind(user_id)
                .execute(&writer)
                .await
                .map_err(fault)
        });
        Ok(ended.await?.rows_affected() > 0)
    }

    async fn end_sessions(&self, user_id: &str, except: Option<Uuid>) -> Result<u64, StoreError> {
        let (writer, user_id) = (self.writer.clone(), user_id.to_owned());
        let ended = self.calls.run(async move {
            sqlx::query("DELETE FROM sessions WHERE user_id = ?1 AND (?2 IS NULL OR session_id <> ?2)")
                .bind(user_id)
                .bind(except.map(|id| id.to_string()))
                .execute(&writer)
                .await
                .map_err(fault)
        });
        Ok(ended.await?.rows_affected())
    }
}

async fn begin(writer: &SqlitePool, session: Session) -> Result<(), StoreError> {
    let mut connection = writer.acquire().await.map_err(fault)?;
    let mut transaction = connection.begin_with(BEGIN).await.map_err(fault)?;
    // What has expired goes when something new comes: nobody else tidies up here.
    sqlx::query("DELETE FROM sessions WHERE expires_at <= ?1")
        .bind(to_micros(session.created_at))
        .execute(&mut *transaction)
        .await
        .map_err(fault)?;
    let (used, used_at) = part(&session.used);
    sqlx::query(
        "INSERT INTO sessions (session_id, user_id, epoch, device, created_at, last_used_at, expires_at,
                               current, used, used_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )
    .bind(session.session_id.to_string())
    .bind(session.user_id)
    .bind(session.epoch)
    .bind(session.device)
    .bind(to_micros(session.created_at))
    .bind(to_micros(session.last_used_at))
    .bind(to_micros(session.expires_at))
    .bind(session.current.to_vec())
    .bind(join(&used))
    .bind(join_times(&used_at))
    .execute(&mut *transaction)
    .await
    .map_err(fault)?;
    transaction.commit().await.map_err(fault)
}

async fn rotate(writer: &SqlitePool, rotation: &Rotation) -> Result<bool, StoreError> {
    let mut connection = writer.acquire().await.map_err(fault)?;
    let mut transaction = connection.begin_with(BEGIN).await.map_err(fault)?;
    let id = rotation.session_id.to_string();
    let used: Option<(Vec<u8>, Vec<u8>)> =
        sqlx::query_as("SELECT used, used_at FROM sessions WHERE session_id = ?1 AND current = ?2")
            .bind(&id)
            .bind(rotation.from.to_vec())
            .fetch_optional(&mut *transaction)
            .await
            .map_err(fault)?;
    let Some((used, used_at)) = used else {
        return Ok(false);
    };
    let mut used = pair(split(&used)?, split_times(&used_at)?);
    used.push(UsedToken { digest: rotation.from, at: Some(rotation.at) });
    let forgotten = used.len().saturating_sub(usize::from(USED_TOKENS));
    let (used, used_at) = part(&used[forgotten..]);
    sqlx::query(
        "UPDATE sessions SET current = ?2, used = ?3, used_at = ?4, last_used_at = ?5, expires_at = ?6
         WHERE session_id = ?1",
    )
    .bind(&id)
    .bind(rotation.to.to_vec())
    .bind(join(&used))
    .bind(join_times(&used_at))
    .bind(to_micros(rotation.at))
    .bind(to_micros(rotation.expires_at))
    .execute(&mut *transaction)
    .await
    .map_err(fault)?;
    transaction.commit().await.map_err(fault)?;
    Ok(true)
}

fn read(row: &SqliteRow) -> Result<Session, StoreError> {
    let time = |micros: i64| from_micros(micros).ok_or_else(|| StoreError::corrupt("a time out of range"));
    let id: &str = row.try_get("session_id").map_err(fault)?;
    Ok(Session {
        session_id: id.parse().map_err(StoreError::corrupt)?,
        user_id: row.try_get("user_id").map_err(fault)?,
        epoch: row.try_get("epoch").map_err(fault)?,
        device: row.try_get("device").map_err(fault)?,
        created_at: time(row.try_get("created_at").map_err(fault)?)?,
        last_used_at: time(row.try_get("last_used_at").map_err(fault)?)?,
        expires_at: time(row.try_get("expires_at").map_err(fault)?)?,
        current: one(row.try_get("current").map_err(fault)?)?,
        used: pair(
            split(row.try_get("used").map_err(fault)?)?,
            split_times(row.try_get("used_at").map_err(fault)?)?,
        ),
    })
}
