//! Sealing what was booked before there was a hash chain. Each page is a transaction, so
//! whoever is killed goes on where it was; of two processes one waits for the other.

use sqlx::{Connection as _, PgConnection, Row as _};
use uuid::Uuid;

use super::{made, rows};
use crate::ledger::chain::{Digest, Made, row_digest};
use crate::store::made::{Key, OwnEntry};
use crate::store::sealing::{PAGE, heads, seal};
use crate::store::{StoreError, reservation_digest};

/// Seals all that is not sealed yet.
pub(super) async fn seal_all(connection: &mut PgConnection) -> Result<(), StoreError> {
    let mut sealed = 0_usize;
    loop {
        let mut transaction = connection.begin().await?;
        sqlx::query("SELECT pg_advisory_xact_lock(hashtext('accrue.seal'))")
            .execute(&mut *transaction)
            .await?;
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
pub(super) async fn is_sealed(connection: &mut PgConnection) -> Result<bool, StoreError> {
    let is_sealed = sqlx::query_scalar(
        "SELECT NOT EXISTS (SELECT FROM entries WHERE hash IS NULL)
            AND NOT EXISTS (SELECT FROM credit_allocations WHERE terms_digest = '')
            AND NOT EXISTS (SELECT FROM reservations WHERE terms_digest = '')",
    );
    Ok(is_sealed.fetch_one(connection).await?)
}

async fn entries(connection: &mut PgConnection) -> Result<usize, StoreError> {
    let query = "SELECT * FROM entries WHERE hash IS NULL ORDER BY user_id, seq LIMIT $1";
    let rows = sqlx::query(query).bind(PAGE).fetch_all(&mut *connection).await?;
    let own = |row| Ok((row_user(row)?, rows::unsealed_entry(row)?));
    let mut page: Vec<OwnEntry> = rows.iter().map(own).collect::<Result<_, StoreError>>()?;
    let Some((user_id, first)) = page.first() else { return Ok(0) };
    let previous: Option<Vec<u8>> = sqlx::query_scalar(
        "SELECT hash FROM entries WHERE user_id = $1 AND seq < $2 ORDER BY seq DESC LIMIT 1",
    )
    .bind(user_id)
    .bind(first.seq)
    .fetch_optional(&mut *connection)
    .await?;
    let previous = previous.and_then(|hash| Digest::try_from(hash).ok());
    let made = made::made(connection, &page).await?;
    seal(&mut page, previous, &made);
    save_entries(connection, &page).await?;
    let heads = heads(&page);
    sqlx::query(
        "UPDATE accounts SET chain_head = new.hash FROM UNNEST($1::text[], $2::bytea[]) AS new (user_id, hash)
         WHERE accounts.user_id = new.user_id",
    )
    .bind(heads.iter().map(|(user_id, _)| user_id.as_str()).collect::<Vec<_>>())
    .bind(heads.iter().map(|(_, entry)| entry.seal.hash.as_slice()).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(page.len())
}

fn row_user(row: &sqlx::postgres::PgRow) -> Result<String, StoreError> {
    Ok(row.try_get("user_id")?)
}

async fn save_entries(connection: &mut PgConnection, page: &[OwnEntry]) -> Result<(), StoreError> {
    let seals = || page.iter().map(|(_, entry)| &entry.seal);
    sqlx::query(
        "UPDATE entries SET made_digest = new.made_digest, text_salt = new.text_salt,
             text_digest = new.text_digest, hash = new.hash
         FROM UNNEST($1::text[], $2::bigint[], $3::bytea[], $4::bytea[], $5::bytea[], $6::bytea[])
             AS new (user_id, seq, made_digest, text_salt, text_digest, hash)
         WHERE entries.user_id = new.user_id AND entries.seq = new.seq",
    )
    .bind(page.iter().map(|(user_id, _)| user_id.as_str()).collect::<Vec<_>>())
    .bind(page.iter().map(|(_, entry)| entry.seq).collect::<Vec<_>>())
    .bind(seals().map(|seal| seal.made_digest.map(Vec::from)).collect::<Vec<_>>())
    .bind(seals().map(|seal| seal.text_salt.map(Vec::from)).collect::<Vec<_>>())
    .bind(seals().map(|seal| seal.text_digest.map(Vec::from)).collect::<Vec<_>>())
    .bind(seals().map(|seal| seal.hash.to_vec()).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

async fn allocations(connection: &mut PgConnection) -> Result<usize, StoreError> {
    let query = "SELECT * FROM credit_allocations WHERE terms_digest = '' ORDER BY user_id, id LIMIT $1";
    let rows = sqlx::query(query).bind(PAGE).fetch_all(&mut *connection).await?;
    let mut digests: Vec<(Key, Vec<u8>)> = Vec::with_capacity(rows.len());
    for row in &rows {
        let (user_id, one) = (row_user(row)?, rows::allocation(row)?);
        let digest = row_digest(&user_id, Made::Allocation(&one)).to_vec();
        digests.push(((user_id, one.id), digest));
    }
    let query = "UPDATE credit_allocations AS old SET terms_digest = new.digest
                 FROM UNNEST($1::text[], $2::uuid[], $3::bytea[]) AS new (user_id, id, digest)
                 WHERE old.user_id = new.user_id AND old.id = new.id";
    save_digests(connection, query, digests).await
}

async fn reservations(connection: &mut PgConnection) -> Result<usize, StoreError> {
    let query = "SELECT * FROM reservations WHERE terms_digest = '' ORDER BY user_id, id LIMIT $1";
    let rows = sqlx::query(query).bind(PAGE).fetch_all(&mut *connection).await?;
    let mut digests: Vec<(Key, Vec<u8>)> = Vec::with_capacity(rows.len());
    for row in &rows {
        let (user_id, one) = (row_user(row)?, rows::reservation(row)?);
        let digest = reservation_digest(&user_id, &one);
        digests.push(((user_id, one.id), digest));
    }
    let query = "UPDATE reservations AS old SET terms_digest = new.digest
                 FROM UNNEST($1::text[], $2::uuid[], $3::bytea[]) AS new (user_id, id, digest)
                 WHERE old.user_id = new.user_id AND old.id = new.id";
    save_digests(connection, query, digests).await
}

async fn save_digests(
    connection: &mut PgConnection,
    query: &'static str,
    digests: Vec<(Key, Vec<u8>)>,
) -> Result<usize, StoreError> {
    if digests.is_empty() {
        return Ok(0);
    }
    let count = digests.len();
    let (keys, digests): (Vec<Key>, Vec<Vec<u8>>) = digests.into_iter().unzip();
    let (user_ids, ids): (Vec<String>, Vec<Uuid>) = keys.into_iter().unzip();
    sqlx::query(query).bind(user_ids).bind(ids).bind(digests).execute(connection).await?;
    Ok(count)
}
