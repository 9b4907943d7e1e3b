//! Reading what entries made, by their ids.

use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row as _};
use uuid::Uuid;

use super::rows;
use crate::store::StoreError;
use crate::store::made::{self, Key, MadeRows, OwnEntry};

/// What `entries` made, as far as it is there and can be read.
pub(super) async fn made(
    connection: &mut PgConnection,
    entries: &[OwnEntry],
) -> Result<MadeRows, StoreError> {
    let mut made_rows = MadeRows::default();
    let query = "SELECT row.* FROM UNNEST($1::text[], $2::uuid[]) AS wanted (user_id, id)
                 JOIN credit_allocations AS row USING (user_id, id)";
    for row in read(connection, query, &made::allocations(entries)).await? {
        let Ok(one) = rows::allocation(&row) else { continue };
        made_rows.allocations.insert(key(&row)?, one);
    }
    let query = "SELECT row.* FROM UNNEST($1::text[], $2::uuid[]) AS wanted (user_id, id)
                 JOIN reservations AS row USING (user_id, id)";
    for row in read(connection, query, &made::reservations(entries)).await? {
        let Ok(one) = rows::reservation(&row) else { continue };
        made_rows.reservations.insert(key(&row)?, one);
    }
    let query = "SELECT row.* FROM UNNEST($1::text[], $2::uuid[]) AS wanted (user_id, id)
                 JOIN usages AS row USING (user_id, id)";
    for row in read(connection, query, &made::usages(entries, &made_rows)).await? {
        let Ok(one) = rows::usage(&row) else { continue };
        made_rows.usages.insert(key(&row)?, one);
    }
    Ok(made_rows)
}

fn key(row: &PgRow) -> Result<Key, StoreError> {
    Ok((row.try_get("user_id")?, row.try_get("id")?))
}

async fn read(
    connection: &mut PgConnection,
    query: &'static str,
    wanted: &[Key],
) -> Result<Vec<PgRow>, StoreError> {
    let (user_ids, ids): (Vec<&str>, Vec<Uuid>) =
        wanted.iter().map(|(user_id, id)| (user_id.as_str(), *id)).unzip();
    Ok(sqlx::query(query).bind(user_ids).bind(ids).fetch_all(connection).await?)
}
