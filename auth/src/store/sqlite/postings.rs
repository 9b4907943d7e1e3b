//! Mail and tickets as they are written and voided in SQLite, within a transaction about
//! their user.

use accrue_chassis::clock::to_micros;
use sqlx::sqlite::SqliteConnection;

use super::{StoreError, fault};
use crate::domain::{Digest, Posting, TicketKind};

/// Puts the mail and its ticket in the place of those of before; whoever holds the
/// older mail marks nothing any more.
pub(super) async fn insert_posting(
    connection: &mut SqliteConnection,
    user_id: &str,
    posting: &Posting,
) -> Result<(), StoreError> {
    let mail = &posting.mail;
    sqlx::query(
        "INSERT OR REPLACE INTO mail (user_id, kind, mail_id, key_id, sealed, due_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )
    .bind(user_id)
    .bind(mail.kind.word())
    .bind(mail.id)
    .bind(&mail.sealed.key_id)
    .bind(&mail.sealed.bytes)
    .bind(to_micros(posting.written_at))
    .execute(&mut *connection)
    .await
    .map_err(fault)?;
    let Some(ticket) = &posting.ticket else {
        return Ok(());
    };
    sqlx::query("INSERT OR REPLACE INTO tickets (user_id, kind, digest, expires_at) VALUES (?1, ?2, ?3, ?4)")
        .bind(user_id)
        .bind(ticket.kind.word())
        .bind(ticket.digest.to_vec())
        .bind(to_micros(ticket.expires_at))
        .execute(connection)
        .await
        .map(drop)
        .map_err(fault)
}

/// Whether the user holds this very ticket.
pub(super) async fn holds_ticket(
    connection: &mut SqliteConnection,
    user_id: &str,
    (kind, digest): &(TicketKind, Digest),
) -> Result<bool, StoreError> {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM tickets WHERE user_id = ?1 AND kind = ?2 AND digest = ?3)",
    )
    .bind(user_id)
    .bind(kind.word())
    .bind(digest.to_vec())
    .fetch_one(connection)
    .await
    .map_err(fault)
}

/// Voids tickets of these kinds, and takes away the mail that would tell them.
pub(super) async fn void_tickets(
    connection: &mut SqliteConnection,
    user_id: &str,
    kinds: &[TicketKind],
) -> Result<(), StoreError> {
    for kind in kinds {
        for query in [
            sqlx::query("DELETE FROM tickets WHERE user_id = ?1 AND kind = ?2"),
            sqlx::query("DELETE FROM mail WHERE user_id = ?1 AND kind = ?2"),
        ] {
            query.bind(user_id).bind(kind.word()).execute(&mut *connection).await.map_err(fault)?;
        }
    }
    Ok(())
}

/// Takes away every mail to an address that the user has no longer, and every ticket.
pub(super) async fn forget_mail(connection: &mut SqliteConnection, user_id: &str) -> Result<(), StoreError> {
    for query in [
        sqlx::query("DELETE FROM tickets WHERE user_id = ?1"),
        sqlx::query("DELETE FROM mail WHERE user_id = ?1"),
    ] {
        query.bind(user_id).execute(&mut *connection).await.map_err(fault)?;
    }
    Ok(())
}
