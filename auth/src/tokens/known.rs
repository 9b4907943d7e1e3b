//! The signing keys as they were last read, opened: which signs, which are published.

use std::sync::Arc;

use accrue_chassis::tokens::{KeySet, VerifyingKey};
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, EncodingKey};
use time::OffsetDateTime;

use super::rotation::PUBLISHED_AFTER;
use super::signing_key::{KeyError, SigningKeyRecord};
use crate::sealing::KeyEncryptionKeys;

#[derive(Clone)]
pub(super) struct Known {
    keys: Arc<[LoadedKey]>,
    verifying: KeySet,
    /// When they were read.
    pub(super) at: OffsetDateTime,
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

impl Known {
    pub(super) fn load(
        records: &[SigningKeyRecord],
        sealing: &KeyEncryptionKeys,
        at: OffsetDateTime,
    ) -> Self {
        let keys: Arc<[LoadedKey]> =
            records.iter().filter_map(|record| LoadedKey::load(record, sealing)).collect();
        let all = JwkSet { keys: keys.iter().map(|key| key.jwk.clone()).collect() };
        Self { verifying: KeySet::from_jwks(&all), keys, at }
    }

    /// The public half of a key that is published.
    pub(super) fn find(&self, key_id: &str, now: OffsetDateTime) -> Option<VerifyingKey> {
        let is_published = self.published(now).any(|key| key.key_id == key_id);
        is_published.then(|| self.verifying.get(key_id).cloned()).flatten()
    }

    /// The key that signs: the last one whose time has come, if it can be opened here.
    pub(super) fn signer(&self, now: OffsetDateTime) -> Option<Signer> {
        let index = self.keys.iter().rposition(|key| key.signs_from <= now)?;
        self.keys[index].signing.is_some().then(|| Signer { keys: Arc::clone(&self.keys), index })
    }

    /// The public halves of those that are published.
    pub(super) fn jwks(&self, now: OffsetDateTime) -> JwkSet {
        JwkSet { keys: self.published(now).map(|key| key.jwk.clone()).collect() }
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
