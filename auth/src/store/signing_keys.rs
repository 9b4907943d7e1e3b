//! The port of signing keys: append-only but for what has served its time.

use async_trait::async_trait;

use super::StoreError;
use crate::sealing::Sealed;
use crate::tokens::SigningKeyRecord;

/// The signing keys.
#[async_trait]
pub trait SigningKeyStore: Send + Sync + 'static {
    /// Every key, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn signing_keys(&self) -> Result<Vec<SigningKeyRecord>, StoreError>;

    /// Adds a key, if its generation is not taken: of two processes that rotate at
    /// once, one adds a key.
    ///
    /// # Errors
    /// [`StoreError`]. After `Unavailable` it may have been added.
    async fn add_signing_key(&self, key: &SigningKeyRecord) -> Result<bool, StoreError>;

    /// Puts `to` in the place of the sealed private key `from`. Whether `from` was still there.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn reseal_signing_key(
        &self,
        generation: i64,
        from: &Sealed,
        to: &Sealed,
    ) -> Result<bool, StoreError>;

    /// Deletes the keys of a generation below `generation`.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn delete_signing_keys_below(&self, generation: i64) -> Result<(), StoreError>;
}
