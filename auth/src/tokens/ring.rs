//! The key ring: the signing keys in memory, refreshed from the store, rotated in time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration as StdDuration;

use accrue_chassis::clock::SharedClock;
use accrue_chassis::tokens::{KeySet, Keys, KeysUnavailable, VerifyingKey};
use async_trait::async_trait;
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, EncodingKey};
use time::{Duration, OffsetDateTime};
use tokio_util::sync::CancellationToken;

use super::signing_key::{KeyError, SigningAlgorithm, SigningKeyRecord};
use crate::config::TokenConfig;
use crate::sealing::KeyEncryptionKeys;
use crate::store::{AuthStore, StoreError};

/// How often the store is asked.
const POLL: StdDuration = StdDuration::from_secs(30);
/// How long others may keep the published keys, in seconds: the `max-age` of the JWK set.
pub(crate) const JWKS_MAX_AGE_S: u32 = 300;
/// How long a key is published before it signs: the time for which others keep the
/// keys, and two polls of ours.
const PUBLISHED_AHEAD: Duration = Duration::seconds(JWKS_MAX_AGE_S as i64 + 60);
/// How long a key is published after it has signed its last token: the longest life of
/// a token, and a minute for clocks that differ.
const PUBLISHED_AFTER: Duration = Duration::seconds(900 + 60);
/// How long it is kept then.
const KEPT_AFTER: Duration = Duration::days(1);
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
    /// One refresh at a time.
    refreshing: tokio::sync::Mutex<()>,
}

#[derive(Clone)]
struct Known {
    keys: Arc<[LoadedKey]>,
    verifying: KeySet,
    at: OffsetDateTime,
}

struct LoadedKey {
    key_id: String,
    algorithm: Algorithm,
    signs_from: OffsetDateTime,
    jwk: Jwk,
    /// None if this process has not the key-encryption key for it.
    signing: Option<EncodingKey>,
}

/// What signs now.
pub(super) struct Signer {
    keys: Arc<[LoadedKey]>,
    index: usize,
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
}

/// What came of a rotation.
#[derive(Debug)]
pub enum Rotated {
    /// A key was added, which signs in a while.
    Added(SigningKeyRecord),
    /// There was one already that waits to sign.
    Waiting(SigningKeyRecord),
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

    /// Reads the keys, after adding one if it is time.
    ///
    /// # Errors
    /// [`KeyRingError`]; what was known stays known.
    pub async fn refresh(&self) -> Result<(), KeyRingError> {
        let _one_at_a_time = self.0.refreshing.lock().await;
        self.refresh_alone().await
    }

    async fn refresh_alone(&self) -> Result<(), KeyRingError> {
        let shared = &self.0;
        let now = shared.clock.now();
        let mut records = shared.store.signing_keys().await?;
        let newest = records.last();
        let is_due = newest.is_none_or(|key| {
            key.signs_from <= now
                && (now >= key.signs_from + shared.rotation || key.algorithm != shared.algorithm)
        });
        if is_due {
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
        let keys = self.known().await?.keys;
        let now = self.0.clock.now();
        let index = keys.iter().rposition(|key| key.signs_from <= now).ok_or(KeyRingError::NoSigner)?;
        if keys[index].signing.is_none() {
            return Err(KeyRingError::NoSigner);
        }
        Ok(Signer { keys, index })
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
        let now = self.0.clock.now();
        Ok(JwkSet { keys: known.published(now).map(|key| key.jwk.clone()).collect() })
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

impl Known {
    fn load(records: &[SigningKeyRecord], sealing: &KeyEncryptionKeys, at: OffsetDateTime) -> Self {
        let keys: Arc<[LoadedKey]> =
            records.iter().filter_map(|record| LoadedKey::load(record, sealing)).collect();
        let all = JwkSet { keys: keys.iter().map(|key| key.jwk.clone()).collect() };
        Self { verifying: KeySet::from_jwks(&all), keys, at }
    }

    fn find(&self, key_id: &str, now: OffsetDateTime) -> Option<VerifyingKey> {
        let is_published = self.published(now).any(|key| key.key_id == key_id);
        is_published.then(|| self.verifying.get(key_id).cloned()).flatten()
    }

    /// A key is published from the moment it is made until its last token has expired.
    fn published(&self, now: OffsetDateTime) -> impl Iterator<Item = &LoadedKey> {
        self.keys.iter().enumerate().filter_map(move |(index, key)| {
            let successor = self.keys.get(index + 1);
            successor.is_none_or(|next| now < next.signs_from + PUBLISHED_AFTER).then_some(key)
        })
    }
}

impl LoadedKey {
    fn load(record: &SigningKeyRecord, sealing: &KeyEncryptionKeys) -> Option<Self> {
        let key_id = record.key_id.clone();
        let complain = |error: KeyError| {
            tracing::error!(key_id, error = &error as &dyn std::error::Error, "a signing key is not usable");
        };
        let jwk = record.jwk().map_err(complain).ok()?;
        let signing = record.open(sealing).map_err(complain).ok();
        let algorithm = record.algorithm.of_tokens();
        Some(Self { key_id: record.key_id.clone(), algorithm, signs_from: record.signs_from, jwk, signing })
    }
}

impl Signer {
    pub(super) fn key_id(&self) -> &str {
        &self.keys[self.index].key_id
    }

    pub(super) fn algorithm(&self) -> Algorithm {
        self.keys[self.index].algorithm
    }

    pub(super) fn key(&self) -> Option<&EncodingKey> {
        self.keys[self.index].signing.as_ref()
    }
}

/// The generation from which on keys are still of use, if there are older ones.
fn first_kept(records: &[SigningKeyRecord], now: OffsetDateTime) -> Option<i64> {
    let is_over = |next: &SigningKeyRecord| now >= next.signs_from + PUBLISHED_AFTER + KEPT_AFTER;
    records.iter().skip(1).rev().find(|next| is_over(next)).map(|next| next.generation)
}

/// Adds the key after `newest`. The first of all signs at once: nobody knows another.
async fn add(
    store: &dyn AuthStore,
    newest: Option<&SigningKeyRecord>,
    algorithm: SigningAlgorithm,
    sealing: &KeyEncryptionKeys,
    now: OffsetDateTime,
) -> Result<SigningKeyRecord, KeyRingError> {
    // In whole seconds, which every store keeps as they are.
    let now = OffsetDateTime::from_unix_timestamp(now.unix_timestamp()).unwrap_or(now);
    let (generation, signs_from) = newest.map_or((1, now), |key| (key.generation + 1, now + PUBLISHED_AHEAD));
    let key = SigningKeyRecord::generate(algorithm, generation, (now, signs_from), sealing)?;
    // If it is not added, another process has added that generation: as good as ours.
    if store.add_signing_key(&key).await? {
        tracing::info!(key_id = key.key_id, "a signing key was added");
    }
    Ok(key)
}

/// Adds a key that takes over in a while, unless one waits already.
///
/// # Errors
/// [`KeyRingError`].
pub async fn rotate(
    store: &dyn AuthStore,
    algorithm: SigningAlgorithm,
    sealing: &KeyEncryptionKeys,
    now: OffsetDateTime,
) -> Result<Rotated, KeyRingError> {
    let newest = store.signing_keys().await?.pop();
    match newest {
        Some(waiting) if waiting.signs_from > now => Ok(Rotated::Waiting(waiting)),
        newest => Ok(Rotated::Added(add(store, newest.as_ref(), algorithm, sealing, now).await?)),
    }
}

/// Seals every signing key under the newest key-encryption key. How many were not.
///
/// # Errors
/// [`KeyRingError`]; those before it are done, and it can be called again.
pub async fn rewrap(store: &dyn AuthStore, sealing: &KeyEncryptionKeys) -> Result<usize, KeyRingError> {
    let mut done = 0;
    for key in store.signing_keys().await? {
        if sealing.is_current(&key.private_key) {
            continue;
        }
        let sealed = key.reseal(sealing)?;
        if store.reseal_signing_key(key.generation, &key.private_key, &sealed).await? {
            done += 1;
        }
    }
    Ok(done)
}
