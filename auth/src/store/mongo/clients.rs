//! Clients in MongoDB: a document a client.

use accrue_chassis::tokens::Scopes;
use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use mongodb::Collection;
use mongodb::bson::{Binary, DateTime, doc};
use serde::{Deserialize, Serialize};

use super::document::{binary, from_bson, to_bson};
use super::{MongoStore, StoreError, fault};
use crate::domain::{Client, Digest};
use crate::store::ClientStore;
use crate::store::digests::{join, split};

const CLIENTS: &str = "clients";

#[derive(Serialize, Deserialize)]
struct ClientDocument {
    #[serde(rename = "_id")]
    client_id: String,
    name: String,
    scopes: String,
    /// The digests one after the other: one value is compared and set as a whole.
    secrets: Binary,
    created_at: DateTime,
}

impl MongoStore {
    fn client_documents(&self) -> Collection<ClientDocument> {
        self.database.collection(CLIENTS)
    }
}

#[async_trait]
impl ClientStore for MongoStore {
    async fn create_client(&self, client: &Client) -> Result<(), StoreError> {
        let (clients, document) = (self.client_documents(), ClientDocument::new(client));
        self.calls
            .run(async move {
                match clients.insert_one(&document).await {
                    Ok(_) => Ok(()),
                    // The id is ours, made a moment ago: whoever has it is this client.
                    Err(error) if fault::is_duplicate_key(&error) => Ok(()),
                    Err(error) => Err(fault::store(error)),
                }
            })
            .await
    }

    async fn client(&self, client_id: &str) -> Result<Option<Client>, StoreError> {
        let (clients, by_id) = (self.client_documents(), doc! { "_id": client_id });
        let found =
            self.calls.run(async move { clients.find_one(by_id).await.map_err(fault::store) }).await?;
        found.map(ClientDocument::read).transpose()
    }

    async fn clients(&self) -> Result<Vec<Client>, StoreError> {
        let clients = self.client_documents();
        let documents: Vec<ClientDocument> = self
            .calls
            .run(async move {
                let found = clients.find(doc! {}).sort(doc! { "_id": 1 }).await.map_err(fault::store)?;
                found.try_collect().await.map_err(fault::store)
            })
            .await?;
        documents.into_iter().map(ClientDocument::read).collect()
    }

    async fn replace_secrets(
        &self,
        client_id: &str,
        from: &[Digest],
        to: &[Digest],
    ) -> Result<bool, StoreError> {
        let clients = self.client_documents();
        let filter = doc! { "_id": client_id, "secrets": binary(&join(from)) };
        let update = doc! { "$set": { "secrets": binary(&join(to)) } };
        let done = self
            .calls
            .run(async move { clients.update_one(filter, update).await.map_err(fault::store) })
            .await?;
        Ok(done.matched_count > 0)
    }

    async fn delete_client(&self, client_id: &str) -> Result<bool, StoreError> {
        let (clients, by_id) = (self.client_documents(), doc! { "_id": client_id });
        let done =
            self.calls.run(async move { clients.delete_one(by_id).await.map_err(fault::store) }).await?;
        Ok(done.deleted_count > 0)
    }
}

impl ClientDocument {
    fn new(client: &Client) -> Self {
        Self {
            client_id: client.client_id.clone(),
            name: client.name.clone(),
            scopes: client.scopes.to_string(),
            secrets: binary(&join(&client.secrets)),
            created_at: to_bson(client.created_at),
        }
    }

    fn read(self) -> Result<Client, StoreError> {
        Ok(Client {
            client_id: self.client_id,
            name: self.name,
            scopes: Scopes::parse(&self.scopes),
            secrets: split(&self.secrets.bytes)?,
            created_at: from_bson(self.created_at)?,
        })
    }
}
