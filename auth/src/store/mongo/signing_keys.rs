//! Signing keys in MongoDB: a document a key, its generation the id.

use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use mongodb::Collection;
use mongodb::bson::{Binary, DateTime, doc};
use serde::{Deserialize, Serialize};

use super::document::{binary, from_bson, to_bson};
use super::{MongoStore, StoreError, fault};
use crate::sealing::Sealed;
use crate::store::SigningKeyStore;
use crate::tokens::{SigningAlgorithm, SigningKeyRecord};

const SIGNING_KEYS: &str = "signing_keys";

#[derive(Serialize, Deserialize)]
struct KeyDocument {
    #[serde(rename = "_id")]
    generation: i64,
    key_id: String,
    algorithm: String,
    public_jwk: String,
    sealed_under: String,
    sealed: Binary,
    created_at: DateTime,
    signs_from: DateTime,
}

impl MongoStore {
    fn keys(&self) -> Collection<KeyDocument> {
        self.database.collection(SIGNING_KEYS)
    }
}

#[async_trait]
impl SigningKeyStore for MongoStore {
    async fn signing_keys(&self) -> Result<Vec<SigningKeyRecord>, StoreError> {
        let keys = self.keys();
        let documents: Vec<KeyDocument> = self
            .calls
            .run(async move {
                let found = keys.find(doc! {}).sort(doc! { "_id": 1 }).await.map_err(fault::store)?;
                found.try_collect().await.map_err(fault::store)
            })
            .await?;
        documents.into_iter().map(KeyDocument::read).collect()
    }

    async fn add_signing_key(&self, key: &SigningKeyRecord) -> Result<bool, StoreError> {
        let (keys, document) = (self.keys(), KeyDocument::new(key));
        self.calls
            .run(async move {
                match keys.insert_one(&document).await {
                    Ok(_) => Ok(true),
                    // Ours, if an insert that seemed lost had arrived; else another's.
                    Err(error) if fault::is_duplicate_key(&error) || fault::may_have_written(&error) => {
                        let found = keys.find_one(doc! { "_id": document.generation }).await;
                        match found.map_err(fault::store)? {
                            Some(found) => Ok(found.key_id == document.key_id),
                            None => Err(fault::store(error)),
                        }
                    }
                    Err(error) => Err(fault::store(error)),
                }
            })
            .await
    }

    async fn reseal_signing_key(
        &self,
        generation: i64,
        from: &Sealed,
        to: &Sealed,
    ) -> Result<bool, StoreError> {
        let keys = self.keys();
        let filter = doc! { "_id": generation, "sealed": binary(&from.bytes) };
        let update = doc! { "$set": { "sealed_under": &to.key_id, "sealed": binary(&to.bytes) } };
        let done = self
            .calls
            .run(async move { keys.update_one(filter, update).await.map_err(fault::store) })
            .await?;
        Ok(done.matched_count > 0)
    }

    async fn delete_signing_keys_below(&self, generation: i64) -> Result<(), StoreError> {
        let keys = self.keys();
        let older = doc! { "_id": { "$lt": generation } };
        self.calls.run(async move { keys.delete_many(older).await.map(drop).map_err(fault::store) }).await
    }
}

impl KeyDocument {
    fn new(key: &SigningKeyRecord) -> Self {
        Self {
            generation: key.generation,
            key_id: key.key_id.clone(),
            algorithm: key.algorithm.word().to_owned(),
            public_jwk: key.public_jwk.clone(),
            sealed_under: key.private_key.key_id.clone(),
            sealed: binary(&key.private_key.bytes),
            created_at: to_bson(key.created_at),
            signs_from: to_bson(key.signs_from),
        }
    }

    fn read(self) -> Result<SigningKeyRecord, StoreError> {
        Ok(SigningKeyRecord {
            generation: self.generation,
            key_id: self.key_id,
            algorithm: SigningAlgorithm::from_word(&self.algorithm)
                .ok_or_else(|| StoreError::corrupt("an unknown algorithm"))?,
            public_jwk: self.public_jwk,
            private_key: Sealed { key_id: self.sealed_under, bytes: self.sealed.bytes },
            created_at: from_bson(self.created_at)?,
            signs_from: from_bson(self.signs_from)?,
        })
    }
}
