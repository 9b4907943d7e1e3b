//! Verifying keys, by their ids.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};

/// A public key and the one algorithm that it is used with.
#[derive(Clone)]
pub struct VerifyingKey {
    /// The algorithm; a token that names another is refused.
    pub algorithm: Algorithm,
    /// The key.
    pub key: Arc<DecodingKey>,
}

/// The keys of an issuer at one time.
#[derive(Clone, Default)]
pub struct KeySet(HashMap<String, VerifyingKey>);

/// Where verifying keys are found.
#[async_trait]
pub trait Keys: Send + Sync + 'static {
    /// The key of that id; none if the issuer has no such key.
    ///
    /// # Errors
    /// [`KeysUnavailable`] when the issuer has never been reached.
    async fn find(&self, key_id: &str) -> Result<Option<VerifyingKey>, KeysUnavailable>;
}

/// No key is known, because the issuer has never been reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the keys of the tokens' issuer are not known yet")]
pub struct KeysUnavailable;

impl KeySet {
    /// The signing keys in a JWK set that we can use: ES256 and `EdDSA` ones with an
    /// id. Others are passed over, as RFC 7517 asks.
    #[must_use]
    pub fn from_jwks(set: &JwkSet) -> Self {
        Self(set.keys.iter().filter_map(read).collect())
    }

    /// The key of that id.
    #[must_use]
    pub fn get(&self, key_id: &str) -> Option<&VerifyingKey> {
        self.0.get(key_id)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn read(jwk: &Jwk) -> Option<(String, VerifyingKey)> {
    if jwk.common.public_key_use.as_ref().is_some_and(|usage| *usage != PublicKeyUse::Signature) {
        return None;
    }
    let algorithm = match jwk.common.key_algorithm?.to_string().as_str() {
        "ES256" => Algorithm::ES256,
        "EdDSA" => Algorithm::EdDSA,
        _ => return None,
    };
    let key = DecodingKey::from_jwk(jwk).ok()?;
    Some((jwk.common.key_id.clone()?, VerifyingKey { algorithm, key: Arc::new(key) }))
}
