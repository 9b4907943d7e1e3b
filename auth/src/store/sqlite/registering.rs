//! Registering users in SQLite, in one transaction with their event.

use accrue_chassis::clock::to_micros;
use accrue_events::broker::Message;
use secrecy::ExposeSecret as _;
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnection, SqlitePool};
use time::OffsetDateTime;

use super::postings::insert_posting;
use super::user_rows::{read_kept_reply, roles_text, status_word};
use super::{BEGIN, StoreError, fault};
use crate::domain::{DisplayName, EmailAddress, KeptReply, NewUser, User, Username};
use crate::store::Registration;

/// Which of a user's names somebody else has.
pub(super) enum Taken {
    Email,
    Username,
}

pub(super) async fn register(writer: &SqlitePool, new: NewUser) -> Result<Registration, StoreError> {
    let mut connection = writer.acquire().await.map_err(fault)?;
    let mut transaction = connection.begin_with(BEGIN).await.map_err(fault)?;
    if let Some(kept) = &new.kept
        && let Some(earlier) = find_kept_reply(&mut transaction, &kept.key).await?
    {
        return Ok(Registration::KeyUsed(earlier));
    }
    match find_taken(&mut transaction, &new.user).await? {
        Some(Taken::Email) => return Ok(Registration::EmailTaken),
        Some(Taken::Username) => return Ok(Registration::UsernameTaken),
        None => {}
    }
    insert_user(&mut transaction, &new).await?;
    insert_event(&mut transaction, &new.user.user_id, &new.event, new.user.created_at).await?;
    if let Some(posting) = &new.posting {
        insert_posting(&mut transaction, &new.user.user_id, posting).await?;
    }
    transaction.commit().await.map_err(fault)?;
    Ok(Registration::Registered(new.user))
}

/// Which of these names is another user's, the address first.
pub(super) async fn find_taken(
    connection: &mut SqliteConnection,
    user: &User,
) -> Result<Option<Taken>, StoreError> {
    let (email_taken, username_taken): (bool, bool) = sqlx::query_as(
        "SELECT EXISTS (SELECT 1 FROM users WHERE email = ?1 AND user_id <> ?3),
                EXISTS (SELECT 1 FROM users WHERE username = ?2 AND user_id <> ?3)",
    )
    .bind(user.email.as_ref().map(EmailAddress::as_str))
    .bind(user.username.as_ref().map(Username::as_str))
    .bind(&user.user_id)
    .fetch_one(connection)
    .await
    .map_err(fault)?;
    Ok(match (email_taken, username_taken) {
        (true, _) => Some(Taken::Email),
        (false, true) => Some(Taken::Username),
        (false, false) => None,
    })
}

async fn insert_user(connection: &mut SqliteConnection, new: &NewUser) -> Result<(), StoreError> {
    let (user, kept) = (&new.user, new.kept.as_ref());
    sqlx::query(
        "INSERT INTO users (user_id, email, email_verified, username, display_name, roles, password_hash,
                            status, session_epoch, version, created_at, idempotency_key, request_digest,
                            reply)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
    )
    .bind(&user.user_id)
    .bind(user.email.as_ref().map(EmailAddress::as_str))
    .bind(user.email_verified)
    .bind(user.username.as_ref().map(Username::as_str))
    .bind(user.display_name.as_ref().map(DisplayName::as_str))
    .bind(roles_text(&user.roles))
    .bind(new.password_hash.as_ref().map_or("", |hash| hash.expose_secret()))
    .bind(status_word(user.status))
    .bind(user.session_epoch)
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

pub(super) async fn insert_event(
    connection: &mut SqliteConnection,
    user_id: &str,
    event: &Message,
    written_at: OffsetDateTime,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO outbox (event_id, user_id, routing_key, content_type, body, traceparent, written_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )
    .bind(event.id)
    .bind(user_id)
    .bind(&event.routing_key)
    .bind(&event.content_type)
    .bind(&event.body)
    .bind(&event.traceparent)
    .bind(to_micros(written_at))
    .execute(connection)
    .await
    .map(drop)
    .map_err(fault)
}

pub(super) async fn find_kept_reply(
    connection: &mut SqliteConnection,
    key: &[u8],
) -> Result<Option<KeptReply>, StoreError> {
    let row = sqlx::query(
        "SELECT user_id, created_at, request_digest, password_hash, reply FROM users
         WHERE idempotency_key = ?1",
    )
    .bind(key)
    .fetch_optional(connection)
    .await
    .map_err(fault)?;
    row.as_ref().map(read_kept_reply).transpose()
}
