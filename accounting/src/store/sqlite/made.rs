//! Reading what entries made, by their ids.

use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use super::rows;
use crate::store::StoreError;
use crate::store::made::{self, Key, MadeRows, OwnEntry};

/// What `entries` made, as far as it is there and can be read.
pub(super) async fn made(
    connection: &mut SqliteConnection,
    entries: &[OwnEntry],
) -> Result<MadeRows, StoreError> {
    let mut made_rows = MadeRows::default();
    let query = "SELECT * FROM credit_allocations WHERE user_id = ? AND id = ?";
    for (key, row) in read(connection, query, made::allocations(entries)).await? {
        made_rows.allocations.extend(rows::allocation(&row).ok().map(|one| (key, one)));
    }
    let query = "SELECT * FROM reservations WHERE user_id = ? AND id = ?";
    for (key, row) in read(connection, query, made::reservations(entries)).await? {
        made_rows.reservations.extend(rows::reservation(&row).ok().map(|one| (key, one)));
    }
    let query = "SELECT * FROM usages WHERE user_id = ? AND id = ?";
    for (key, row) in read(connection, query, made::usages(entries, &made_rows)).await? {
        made_rows.usages.extend(rows::usage(&row).ok().map(|one| (key, one)));
    }
    Ok(made_rows)
}

async fn read(
    connection: &mut SqliteConnection,
    query: &'static str,
    wanted: Vec<Key>,
) -> Result<Vec<(Key, SqliteRow)>, StoreError> {
    let mut found = Vec::with_capacity(wanted.len());
    for key in wanted {
        let row = sqlx::query(query).bind(&key.0).bind(key.1).fetch_optional(&mut *connection).await?;
        found.extend(row.map(|row| (key, row)));
    }
    Ok(found)
}
