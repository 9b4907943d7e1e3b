//! Sealing what was booked before there was a hash chain. Each page is a transaction under
//! the write lock, so whoever is killed goes on where it was.

use sqlx::{Row as _, SqliteConnection, SqlitePool};

use super::{made, rows};
use crate::ledger::chain::{Digest, Made, row_digest};
use crate::store::made::OwnEntry;
use crate::store::sealing::{PAGE, heads, seal};
use crate::store::{StoreError, reservation_digest};

/// Seals all that is not sealed yet.
pub(super) async fn seal_all(writer: &SqlitePool) -> Result<(), StoreError> {
    let mut sealed = 0_usize;
    loop {
        let mut transaction = writer.begin_with("BEGIN IMMEDIATE").await?;
        let page = entries(&mut transaction).await?
            + allocations(&mut transaction).await?
            + reservations(&mut transaction).await?;
        transaction.commit().await?;
        if page == 0 {
            return Ok(());
        }
        sealed += page;
        tracing::info!(sealed, "rows of the release before are being sealed");
    }
}

/// Whether nothing is left to be sealed.
pub(super) async fn is_sealed(pool: &SqlitePool) -> Result<bool, StoreError> {
    let is_sealed = sqlx::query_scalar(
        "SELECT NOT EXISTS (SELECT 1 FROM entries WHERE hash IS NULL)
            AND NOT EXISTS (SELECT 1 FROM credit_allocations WHERE terms_digest = x'')
            AND NOT EXISTS (SELECT 1 FROM reservations WHERE terms_digest = x'')",
    );
    Ok(is_sealed.fetch_one(pool).await?)
}

async fn entries(connection: &mut SqliteConnection) -> Result<usize, StoreError> {
    let query = "SELECT * FROM entries WHERE hash IS NULL ORDER BY user_id, seq LIMIT ?";
    let rows = sqlx::query(query).bind(PAGE).fetch_all(&mut *connection).await?;
    let mut page: Vec<OwnEntry> = Vec::with_capacity(rows.len());
    for row in &rows {
        page.push((row.try_get("user_id")?, rows::unsealed_entry(row)?));
    }
    let Some((user_id, first)) = page.first() else { return Ok(0) };
    let previous: Option<Vec<u8>> = sqlx::query_scalar(
        "SELECT hash FROM entries WHERE user_id = ? AND seq < ? ORDER BY seq DESC LIMIT 1",
    )
    .bind(user_id)
    .bind(first.seq)
    .fetch_optional(&mut *connection)
    .await?;
    let previous = previous.and_then(|hash| Digest::try_from(hash).ok());
    let made = made::made(connection, &page).await?;
    seal(&mut page, previous, &made);
    for (user_id, entry) in &page {
        sqlx::query(
            "UPDATE entries SET made_digest = ?, text_salt = ?, text_digest = ?, hash = ?
             WHERE user_id = ? AND seq = ?",
        )
        .bind(entry.seal.made_digest.map(Vec::from))
        .bind(entry.seal.text_salt.map(Vec::from))
        .bind(entry.seal.text_digest.map(Vec::from))
        .bind(entry.seal.hash.as_slice())
        .bind(user_id)
        .bind(entry.seq)
        .execute(&mut *connection)
        .await?;
    }
    for (user_id, entry) in heads(&page) {
        sqlx::query("UPDATE accounts SET chain_head = ? WHERE user_id = ?")
            .bind(entry.seal.hash.as_slice())
            .bind(user_id)
            .execute(&mut *connection)
            .await?;
    }
    Ok(page.len())
}

async fn allocations(connection: &mut SqliteConnection) -> Result<usize, StoreError> {
    let query = "SELECT * FROM credit_allocations WHERE terms_digest = x'' ORDER BY user_id, id LIMIT ?";
    let rows = sqlx::query(query).bind(PAGE).fetch_all(&mut *connection).await?;
    for row in &rows {
        let (user_id, one): (String, _) = (row.try_get("user_id")?, rows::allocation(row)?);
        sqlx::query("UPDATE credit_allocations SET terms_digest = ? WHERE user_id = ? AND id = ?")
            .bind(row_digest(&user_id, Made::Allocation(&one)).as_slice())
            .bind(&user_id)
            .bind(one.id)
            .execute(&mut *connection)
            .await?;
    }
    Ok(rows.len())
}

async fn reservations(connection: &mut SqliteConnection) -> Result<usize, StoreError> {
    let query = "SELECT * FROM reservations WHERE terms_digest = x'' ORDER BY user_id, id LIMIT ?";
    let rows = sqlx::query(query).bind(PAGE).fetch_all(&mut *connection).await?;
    for row in &rows {
        let (user_id, one): (String, _) = (row.try_get("user_id")?, rows::reservation(row)?);
        sqlx::query("UPDATE reservations SET terms_digest = ? WHERE user_id = ? AND id = ?")
            .bind(reservation_digest(&user_id, &one))
            .bind(&user_id)
            .bind(one.id)
            .execute(&mut *connection)
            .await?;
    }
    Ok(rows.len())
}
