//! The key ring: the signing keys in memory, refreshed from the store, rotated in time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration as StdDuration;

use accrue_chassis::clock::SharedClock;
use accrue_chassis::health::Link;
use accrue_chassis::tokens::{Keys, KeysUnavailable, VerifyingKey};
use async_trait::async_trait;
use jsonwebtoken::jwk::JwkSet;
use time::Duration;
use tokio_util::sync::CancellationToken;

use super::known::{Known, Signer};
use super::rotation::{PUBLISHED_AHEAD, add, first_kept, is_at_home, is_due};
use super::signing_key::{KeyError, SigningAlgorithm};
use crate::config::TokenConfig;
use crate::sealing::KeyEncryptionKeys;
use crate::store::{AuthStore, StoreError};

/// How often the store is asked.
const POLL: StdDuration = StdDuration::from_secs(30);
/// A ring that is older might not know the key that signs by now.
const STALE_AFTER: Duration = PUBLISHED_AHEAD;

/// The keys. Clones share one ring.
#[derive(Clone)]
pub struct KeyRing(Arc<Shared>);

struct Shared {
    store: Arc<dyn AuthStore>,
    sealing: KeyEncryptionKeys,
    algorithm: SigningAlgorithm,
    rotation: Duration,
    clock: SharedClock,
    known: Mutex<Option<Known>>,
    /// Whether a key can sign, as readiness tells it.
    link: Link,
    /// One refresh at a time.
    refreshing: tokio::sync::Mutex<()>,
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyRingError {
    /// The store cannot be asked.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A key cannot be made or used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// No key can sign now.
    #[error("no signing key can be used; are the key-encryption keys those that sealed them?")]
    NoSigner,
    /// Another key would lock out those who can open the keys that are there.
    #[error(
        "none of the signing keys that are there can be opened; the key-encryption keys belong elsewhere"
    )]
    Foreign,
}

impl KeyRing {
    /// An empty ring, filled when it is first needed and by [`KeyRing::run`].
    #[must_use]
    pub fn new(
        store: Arc<dyn AuthStore>,
        sealing: KeyEncryptionKeys,
        config: &TokenConfig,
        clock: SharedClock,
    ) -> Self {
        Self(Arc::new(Shared {
            store,
            sealing,
            algorithm: config.algorithm,
            rotation: config.key_rotation,
            clock,
            known: Mutex::default(),
            link: Link::default(),
            refreshing: tokio::sync::Mutex::default(),
        }))
    }

    /// Refreshes and rotates until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            if let Err(error) = self.refresh().await {
                tracing::warn!(error = &error as &dyn std::error::Error, "signing keys were not refreshed");
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(POLL) => {}
            }
        }
    }

    /// Reads the keys, after adding one if it is time. Whose key-encryption keys open none
    /// of those that are there adds none: nobody else could sign by it.
    ///
    /// # Errors
    /// [`KeyRingError`]; what was known stays known.
    pub async fn refresh(&self) -> Result<(), KeyRingError> {
        let _one_at_a_time = self.0.refreshing.lock().await;
        self.refresh_alone().await
    }

    async fn refresh_alone(&self) -> Result<(), KeyRingError> {
        let done = self.read().await;
        self.tell();
        done
    }

    async fn read(&self) -> Result<(), KeyRingError> {
        let shared = &self.0;
        let now = shared.clock.now();
        let mut records = shared.store.signing_keys().await?;
        let newest = records.last();
        if is_due(newest, shared.algorithm, shared.rotation, now) && is_at_home(&records, &shared.sealing) {
            add(&*shared.store, newest, shared.algorithm, &shared.sealing, now).await?;
            records = shared.store.signing_keys().await?;
        }
        if let Some(oldest_kept) = first_kept(&records, now) {
            shared.store.delete_signing_keys_below(oldest_kept).await?;
        }
        let known = Known::load(&records, &shared.sealing, now);
        *shared.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(known);
        Ok(())
    }

    /// Whether a key can sign, as it was when they were last looked at.
    #[must_use]
    pub fn link(&self) -> Link {
        self.0.link.clone()
    }

    fn tell(&self) {
        let now = self.0.clock.now();
        match self.last_known().filter(|known| now - known.at < STALE_AFTER) {
            None => self.0.link.down("they cannot be read"),
            Some(known) if known.signer(now).is_none() => {
                self.0.link.down("none can sign: the key-encryption keys do not open it");
            }
            Some(_) => self.0.link.up(),
        }
    }

    /// What was read last, however long ago.
    fn last_known(&self) -> Option<Known> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What is known, refreshed if it is too old to sign by.
    async fn known(&self) -> Result<Known, KeyRingError> {
        let fresh = || {
            let now = self.0.clock.now();
            self.last_known().filter(|known| now - known.at < STALE_AFTER)
        };
        if let Some(known) = fresh() {
            return Ok(known);
        }
        let _one_at_a_time = self.0.refreshing.lock().await;
        // Whoever waited here finds what the one before brought.
        if fresh().is_none() {
            self.refresh_alone().await?;
        }
        fresh().ok_or(KeyRingError::NoSigner)
    }

    /// The key that signs now.
    pub(super) async fn signer(&self) -> Result<Signer, KeyRingError> {
        let known = self.known().await?;
        known.signer(self.0.clock.now()).ok_or(KeyRingError::NoSigner)
    }

    /// The public keys, as they are published. While the store is away, those that
    /// were read last: what they have signed is still good.
    ///
    /// # Errors
    /// [`KeyRingError`], when they have never been read.
    pub async fn published(&self) -> Result<JwkSet, KeyRingError> {
        let known = match self.last_known() {
            Some(known) => known,
            None => self.known().await?,
        };
        Ok(known.jwks(self.0.clock.now()))
    }
}

#[async_trait]
impl Keys for KeyRing {
    async fn find(&self, key_id: &str) -> Result<Option<VerifyingKey>, KeysUnavailable> {
        // A key that is known is enough, also while the store is away; one that is not
        // may be newer than what was read.
        let found = self.last_known().and_then(|known| known.find(key_id, self.0.clock.now()));
        if found.is_some() {
            return Ok(found);
        }
        let known = self.known().await.map_err(|error| {
            tracing::warn!(error = &error as &dyn std::error::Error, "a token cannot be verified");
            KeysUnavailable
        })?;
        Ok(known.find(key_id, self.0.clock.now()))
    }
}
