//! Changing users in SQLite: compare-and-set on the version, in one transaction
//! with the event.

use accrue_events::user::UserStatus;
use secrecy::{ExposeSecret as _, SecretString};
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnection, SqlitePool};

use super::postings::{forget_mail, holds_ticket, insert_posting, void_tickets};
use super::registering::{Taken, find_taken, insert_event};
use super::user_rows::{roles_text, status_word};
use super::{BEGIN, StoreError, fault};
use crate::domain::{DisplayName, EmailAddress, Role, UserChange, Username};
use crate::store::Changed;

pub(super) async fn change(writer: &SqlitePool, change: UserChange) -> Result<Changed, StoreError> {
    let mut connection = writer.acquire().await.map_err(fault)?;
    let mut transaction = connection.begin_with(BEGIN).await.map_err(fault)?;
    let user_id = &change.user.user_id;
    let version: Option<i64> = sqlx::query_scalar("SELECT version FROM users WHERE user_id = ?1")
        .bind(user_id)
        .fetch_optional(&mut *transaction)
        .await
        .map_err(fault)?;
    match version {
        None => return Ok(Changed::NotFound),
        Some(version) if version != change.expected_version => return Ok(Changed::Stale),
        Some(_) => {}
    }
    if let Some(ticket) = &change.ticket
        && !holds_ticket(&mut transaction, user_id, ticket).await?
    {
        return Ok(Changed::Stale);
    }
    if change.unseats_admin && !has_other_admin(&mut transaction, user_id).await? {
        return Ok(Changed::LastAdmin);
    }
    match find_taken(&mut transaction, &change.user).await? {
        Some(Taken::Email) => return Ok(Changed::EmailTaken),
        Some(Taken::Username) => return Ok(Changed::UsernameTaken),
        None => {}
    }
    update_user(&mut transaction, &change).await?;
    if change.is_erasure() {
        erase(&mut transaction, user_id).await?;
    } else if let Some(hash) = &change.password_hash {
        set_password(&mut transaction, user_id, hash).await?;
    }
    write_mail(&mut transaction, &change).await?;
    insert_event(&mut transaction, user_id, &change.event, change.changed_at).await?;
    transaction.commit().await.map_err(fault)?;
    Ok(Changed::Done(change.user))
}

/// Whether an admin other than this one can act. The file's write lock is held, so
/// nobody else leaves before this transaction ends.
async fn has_other_admin(connection: &mut SqliteConnection, user_id: &str) -> Result<bool, StoreError> {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM users WHERE user_id <> ?1 AND status = ?2
                           AND instr(' ' || roles || ' ', ' ' || ?3 || ' ') > 0)",
    )
    .bind(user_id)
    .bind(status_word(UserStatus::Active))
    .bind(Role::Admin.word())
    .fetch_one(connection)
    .await
    .map_err(fault)
}

/// Voids what the change makes void, then posts what goes out with it.
async fn write_mail(connection: &mut SqliteConnection, change: &UserChange) -> Result<(), StoreError> {
    let user_id = &change.user.user_id;
    if change.email_changes {
        forget_mail(connection, user_id).await?;
    } else {
        void_tickets(connection, user_id, &change.voids()).await?;
    }
    match &change.posting {
        Some(posting) => insert_posting(connection, user_id, posting).await,
        None => Ok(()),
    }
}

async fn update_user(connection: &mut SqliteConnection, change: &UserChange) -> Result<(), StoreError> {
    let user = &change.user;
    sqlx::query(
        "UPDATE users SET email = ?2, email_verified = ?3, username = ?4, display_name = ?5, roles = ?6,
                          status = ?7, session_epoch = ?8, version = ?9
         WHERE user_id = ?1",
    )
    .bind(&user.user_id)
    .bind(user.email.as_ref().map(EmailAddress::as_str))
    .bind(user.email_verified)
    .bind(user.username.as_ref().map(Username::as_str))
    .bind(user.display_name.as_ref().map(DisplayName::as_str))
    .bind(roles_text(&user.roles))
    .bind(status_word(user.status))
    .bind(user.session_epoch)
    .bind(user.version)
    .execute(connection)
    .await
    .map(drop)
    .map_err(fault)
}

/// With the new password goes what was kept of the registration: it could be
/// compared with the old one only.
async fn set_password(
    connection: &mut SqliteConnection,
    user_id: &str,
    hash: &SecretString,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE users SET password_hash = ?2 WHERE user_id = ?1")
        .bind(user_id)
        .bind(hash.expose_secret())
        .execute(&mut *connection)
        .await
        .map_err(fault)?;
    forget_request(connection, user_id).await
}

/// Takes away what else is known of a person: the hash, the kept reply, and events
/// that wait with an address in them. The event that follows replaces them all.
async fn erase(connection: &mut SqliteConnection, user_id: &str) -> Result<(), StoreError> {
    sqlx::query("UPDATE users SET password_hash = '' WHERE user_id = ?1")
        .bind(user_id)
        .execute(&mut *connection)
        .await
        .map_err(fault)?;
    sqlx::query("DELETE FROM outbox WHERE user_id = ?1")
        .bind(user_id)
        .execute(&mut *connection)
        .await
        .map_err(fault)?;
    forget_request(connection, user_id).await
}

/// The key stays, so that it registers nobody again.
async fn forget_request(connection: &mut SqliteConnection, user_id: &str) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE users SET request_digest = x'', reply = NULL
         WHERE user_id = ?1 AND idempotency_key IS NOT NULL",
    )
    .bind(user_id)
    .execute(connection)
    .await
    .map(drop)
    .map_err(fault)
}
