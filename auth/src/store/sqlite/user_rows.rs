//! Rows of users, read.

use accrue_chassis::clock::from_micros;
use accrue_events::user::UserStatus;
use secrecy::SecretString;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;
use time::OffsetDateTime;

use super::{StoreError, fault};
use crate::domain::{DisplayName, EmailAddress, KeptReply, KeptRequest, Roles, User, Username};
use crate::store::Login;

/// A query for users, the text of which goes on with the one that is given.
macro_rules! select_users {
    ($rest:literal) => {
        concat!(
            "SELECT user_id, email, email_verified, username, display_name, roles, status,
                    session_epoch, version, created_at, password_hash
             FROM users ",
            $rest
        )
    };
}
pub(super) use select_users;

pub(super) fn read_login(row: &SqliteRow) -> Result<Login, StoreError> {
    Ok(Login { user: read_user(row)?, password_hash: read_hash(row)? })
}

pub(super) fn read_user(row: &SqliteRow) -> Result<User, StoreError> {
    let email: Option<String> = row.try_get("email").map_err(fault)?;
    let username: Option<String> = row.try_get("username").map_err(fault)?;
    let display_name: Option<String> = row.try_get("display_name").map_err(fault)?;
    let roles: &str = row.try_get("roles").map_err(fault)?;
    let status: &str = row.try_get("status").map_err(fault)?;
    Ok(User {
        user_id: row.try_get("user_id").map_err(fault)?,
        email: email.map(EmailAddress::from_store),
        email_verified: row.try_get("email_verified").map_err(fault)?,
        username: username.map(Username::from_store),
        display_name: display_name.map(DisplayName::from_store),
        roles: Roles::from_store(roles.split_ascii_whitespace()),
        status: parse_status(status).ok_or_else(|| StoreError::corrupt("an unknown status"))?,
        session_epoch: row.try_get("session_epoch").map_err(fault)?,
        version: row.try_get("version").map_err(fault)?,
        created_at: read_created_at(row)?,
    })
}

pub(super) fn read_kept_reply(row: &SqliteRow) -> Result<KeptReply, StoreError> {
    let digest: Vec<u8> = row.try_get("request_digest").map_err(fault)?;
    let reply: Option<Vec<u8>> = row.try_get("reply").map_err(fault)?;
    let request = match reply {
        Some(reply) if !digest.is_empty() => Some(KeptRequest {
            digest: digest.try_into().map_err(|_| StoreError::corrupt("a digest of another length"))?,
            password_hash: read_hash(row)?,
            reply,
        }),
        _ => None,
    };
    let user_id = row.try_get("user_id").map_err(fault)?;
    Ok(KeptReply { user_id, kept_at: read_created_at(row)?, request })
}

/// An empty hash is none: the column of the first release cannot be NULL.
fn read_hash(row: &SqliteRow) -> Result<Option<SecretString>, StoreError> {
    let hash: String = row.try_get("password_hash").map_err(fault)?;
    Ok(Some(hash).filter(|hash| !hash.is_empty()).map(SecretString::from))
}

fn read_created_at(row: &SqliteRow) -> Result<OffsetDateTime, StoreError> {
    let created_at: i64 = row.try_get("created_at").map_err(fault)?;
    from_micros(created_at).ok_or_else(|| StoreError::corrupt("a time out of range"))
}

/// Roles as the column keeps them: words with spaces between.
pub(super) fn roles_text(roles: &Roles) -> String {
    roles.iter().map(crate::domain::Role::word).collect::<Vec<_>>().join(" ")
}

pub(super) fn status_word(status: UserStatus) -> &'static str {
    match status {
        UserStatus::Active => "active",
        UserStatus::Deactivated => "deactivated",
        UserStatus::Deleted => "deleted",
    }
}

pub(super) fn parse_status(word: &str) -> Option<UserStatus> {
    [UserStatus::Active, UserStatus::Deactivated, UserStatus::Deleted]
        .into_iter()
        .find(|status| status_word(*status) == word)
}
