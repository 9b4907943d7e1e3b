//! Clients in SQLite.

use accrue_chassis::clock::{from_micros, to_micros};
use accrue_chassis::tokens::Scopes;
use async_trait::async_trait;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::{SqliteStore, StoreError, fault};
use crate::domain::{Client, Digest};
use crate::store::ClientStore;
use crate::store::digests::{join, split};

#[async_trait]
impl ClientStore for SqliteStore {
    async fn create_client(&self, client: &Client) -> Result<(), StoreError> {
        let (writer, client) = (self.writer.clone(), client.clone());
        let written = self.calls.run(async move {
            sqlx::query(
                "INSERT INTO clients (client_id, name, scopes, secrets, created_at)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
            )
            .bind(client.client_id)
            .bind(client.name)
            .bind(client.scopes.to_string())
            .bind(join(&client.secrets))
            .bind(to_micros(client.created_at))
            .execute(&writer)
            .await
            .map(drop)
            .map_err(fault)
        });
        written.await
    }

    async fn client(&self, client_id: &str) -> Result<Option<Client>, StoreError> {
        let (readers, client_id) = (self.readers.clone(), client_id.to_owned());
        let found = self.calls.run(async move {
            sqlx::query(
                "SELECT client_id, name, scopes, secrets, created_at FROM clients WHERE client_id = ?1",
            )
            .bind(client_id)
            .fetch_optional(&readers)
            .await
            .map_err(fault)
        });
        found.await?.as_ref().map(read).transpose()
    }

    async fn clients(&self) -> Result<Vec<Client>, StoreError> {
        let readers = self.readers.clone();
        let query = sqlx::query(
            "SELECT client_id, name, scopes, secrets, created_at FROM clients ORDER BY client_id",
        );
        let rows = self.calls.run(async move { query.fetch_all(&readers).await.map_err(fault) }).await?;
        rows.iter().map(read).collect()
    }

    async fn replace_secrets(
        &self,
        client_id: &str,
        from: &[Digest],
        to: &[Digest],
    ) -> Result<bool, StoreError> {
        let (writer, client_id) = (self.writer.clone(), client_id.to_owned());
        let (from, to) = (join(from), join(to));
        let written = self.calls.run(async move {
            sqlx::query("UPDATE clients SET secrets = ?3 WHERE client_id = ?1 AND secrets = ?2")
                .bind(client_id)
                .bind(from)
                .bind(to)
                .execute(&writer)
                .await
                .map_err(fault)
        });
        Ok(written.await?.rows_affected() > 0)
    }

    async fn delete_client(&self, client_id: &str) -> Result<bool, StoreError> {
        let (writer, client_id) = (self.writer.clone(), client_id.to_owned());
        let query = sqlx::query("DELETE FROM clients WHERE client_id = ?1").bind(client_id);
        let done = self.calls.run(async move { query.execute(&writer).await.map_err(fault) }).await?;
        Ok(done.rows_affected() > 0)
    }
}

fn read(row: &SqliteRow) -> Result<Client, StoreError> {
    let scopes: &str = row.try_get("scopes").map_err(fault)?;
    let secrets: &[u8] = row.try_get("secrets").map_err(fault)?;
    let created_at: i64 = row.try_get("created_at").map_err(fault)?;
    Ok(Client {
        client_id: row.try_get("client_id").map_err(fault)?,
        name: row.try_get("name").map_err(fault)?,
        scopes: Scopes::parse(scopes),
        secrets: split(secrets)?,
        created_at: from_micros(created_at).ok_or_else(|| StoreError::corrupt("a time out of range"))?,
    })
}
