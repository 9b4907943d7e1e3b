//! The port of clients: each verb is one write of one client, whole or not at all.

use async_trait::async_trait;

use super::StoreError;
use crate::domain::{Client, Digest};

/// The clients.
#[async_trait]
pub trait ClientStore: Send + Sync + 'static {
    /// Writes a new client.
    ///
    /// # Errors
    /// [`StoreError`]. After `Unavailable` it may have been written; nobody has its secret.
    async fn create_client(&self, client: &Client) -> Result<(), StoreError>;

    /// The client of this id.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn client(&self, client_id: &str) -> Result<Option<Client>, StoreError>;

    /// Every client, oldest first. They are made by hand and are few.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn clients(&self) -> Result<Vec<Client>, StoreError>;

    /// Puts the secrets `to` in the place of `from`, if those are the good ones still.
    ///
    /// # Errors
    /// [`StoreError`]. After `Unavailable` it may have been done.
    async fn replace_secrets(
        &self,
        client_id: &str,
        from: &[Digest],
        to: &[Digest],
    ) -> Result<bool, StoreError>;

    /// Deletes a client. Whether there was one.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn delete_client(&self, client_id: &str) -> Result<bool, StoreError>;
}
