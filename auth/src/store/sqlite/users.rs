//! Registering and finding users in SQLite.

use accrue_chassis::clock::{from_micros, to_micros};
use accrue_events::user::UserStatus;
use async_trait::async_trait;
use secrecy::{ExposeSecret as _, SecretString};
use sqlx::sqlite::{SqliteConnection, SqlitePool, SqliteRow};
use sqlx::{Connection as _, Row as _};
use uuid::Uuid;

use super::{BEGIN, SqliteStore, StoreError, fault};
use crate::domain::{DisplayName, EmailAddress, IdempotencyKey, KeptReply, NewUser, User};
use crate::store::{Registration, UserStore};

#[async_trait]
impl UserStore for SqliteStore {
    fn new_user_id(&self) -> String {
        Uuid::now_v7().to_string()
    }

    async fn register(&self, new: NewUser) -> Result<Registration, StoreError> {
        let writer = self.writer.clone();
        self.calls.run(async move { register(&writer, new).await }).await
    }

    async fn kept_reply(&self, key: IdempotencyKey) -> Result<Option<KeptReply>, StoreError> {
        let readers = self.readers.clone();
        self.calls
            .run(async move {
                let mut connection = readers.acquire().await.map_err(fault)?;
                find_kept_reply(&mut connection, &key.digest()).await
            })
            .await
    }

    async fn user(&self, user_id: &str) -> Result<Option<User>, StoreError> {
        let (readers, user_id) = (self.readers.clone(), user_id.to_owned());
        let found = self
            .calls
            .run(async move {
                sqlx::query(
                    "SELECT user_id, email, email_verified, display_name, status, version, created_at
                     FROM users WHERE user_id = ?1",
                )
                .bind(user_id)
                .fetch_optional(&readers)
                .await
                .map_err(fault)
            })
            .await?;
        found.as_ref().map(read_user).transpose()
    }

    async fn ping(&self) -> Result<(), StoreError> {
        let readers = self.readers.clone();
        // Reads a page of the file, which a mere SELECT 1 would not.
        let ping = sqlx::query("SELECT count(*) FROM sqlite_schema");
        self.calls.run(async move { ping.fetch_one(&readers).await.map(drop).map_err(fault) }).await
    }
}

async fn register(writer: &SqlitePool, new: NewUser) -> Result<Registration, StoreError> {
    let mut connection = writer.acquire().await.map_err(fault)?;
    let mut transaction = connection.begin_with(BEGIN).await.map_err(fault)?;
    if let Some(kept) = &new.kept
        && let Some(earlier) = find_kept_reply(&mut transaction, &kept.key).await?
    {
        return Ok(Registration::KeyUsed(earlier));
    }
    let rival: Option<i64> = sqlx::query_scalar("SELECT 1 FROM users WHERE email = ?1")
        .bind(new.user.email.as_str())
        .fetch_optional(&mut *transaction)
        .await
        .map_err(fault)?;
    if rival.is_some() {
        return Ok(Registration::EmailTaken);
    }
    insert_user(&mut transaction, &new).await?;
    insert_event(&mut transaction, &new).await?;
    transaction.commit().await.map_err(fault)?;
    Ok(Registration::Registered(new.user))
}

async fn insert_user(connection: &mut SqliteConnection, new: &NewUser) -> Result<(), StoreError> {
    let (user, kept) = (&new.user, new.kept.as_ref());
    sqlx::query(
        "INSERT INTO users (user_id, email, email_verified, display_name, password_hash, status,
                            version, created_at, idempotency_key, request_digest, reply)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    )
    .bind(&user.user_id)
    .bind(user.email.as_str())
    .bind(user.email_verified)
    .bind(user.display_name.as_ref().map(DisplayName::as_str))
    .bind(new.password_hash.expose_secret())
    .bind(status_word(user.status))
    .bind(user.version)
    .bind(to_micros(user.created_at))
    .bind(kept.map(|kept| kept.key.to_vec()))
    .bind(kept.map(|kept| kept.request.to_vec()))
    .bind(kept.map(|kept| kept.reply.clone()))
    .execute(connection)
    .await
    .map(drop)
    .map_err(fault)
}

async fn insert_event(connection: &mut SqliteConnection, new: &NewUser) -> Result<(), StoreError> {
    let event = &new.event;
    sqlx::query(
        "INSERT INTO outbox (event_id, user_id, routing_key, content_type, body, traceparent, written_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )
    .bind(event.id)
    .bind(&new.user.user_id)
    .bind(&event.routing_key)
    .bind(&event.content_type)
    .bind(&event.body)
    .bind(&event.traceparent)
    .bind(to_micros(new.user.created_at))
    .execute(connection)
    .await
    .map(drop)
    .map_err(fault)
}

async fn find_kept_reply(
    connection: &mut SqliteConnection,
    key: &[u8],
) -> Result<Option<KeptReply>, StoreError> {
    let row = sqlx::query(
        "SELECT user_id, request_digest, password_hash, reply FROM users WHERE idempotency_key = ?1",
    )
    .bind(key)
    .fetch_optional(connection)
    .await
    .map_err(fault)?;
    row.as_ref().map(read_kept_reply).transpose()
}

fn read_kept_reply(row: &SqliteRow) -> Result<KeptReply, StoreError> {
    let digest: Vec<u8> = row.try_get("request_digest").map_err(fault)?;
    let password_hash: String = row.try_get("password_hash").map_err(fault)?;
    Ok(KeptReply {
        user_id: row.try_get("user_id").map_err(fault)?,
        request_digest: digest.try_into().map_err(|_| StoreError::corrupt("a digest of another length"))?,
        password_hash: SecretString::from(password_hash),
        reply: row.try_get("reply").map_err(fault)?,
    })
}

fn read_user(row: &SqliteRow) -> Result<User, StoreError> {
    let display_name: Option<String> = row.try_get("display_name").map_err(fault)?;
    let status: &str = row.try_get("status").map_err(fault)?;
    let created_at: i64 = row.try_get("created_at").map_err(fault)?;
    Ok(User {
        user_id: row.try_get("user_id").map_err(fault)?,
        email: EmailAddress::from_store(row.try_get("email").map_err(fault)?),
        email_verified: row.try_get("email_verified").map_err(fault)?,
        display_name: display_name.map(DisplayName::from_store),
        status: parse_status(status).ok_or_else(|| StoreError::corrupt("an unknown status"))?,
        version: row.try_get("version").map_err(fault)?,
        created_at: from_micros(created_at).ok_or_else(|| StoreError::corrupt("a time out of range"))?,
    })
}

fn status_word(status: UserStatus) -> &'static str {
    match status {
        UserStatus::Active => "active",
        UserStatus::Deactivated => "deactivated",
        UserStatus::Deleted => "deleted",
    }
}

fn parse_status(word: &str) -> Option<UserStatus> {
    [UserStatus::Active, UserStatus::Deactivated, UserStatus::Deleted]
        .into_iter()
        .find(|status| status_word(*status) == word)
}
