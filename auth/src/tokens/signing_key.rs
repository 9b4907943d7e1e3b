//! One signing key: made, sealed, opened.

use jsonwebtoken::jwk::{Jwk, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, EncodingKey};
use p256::pkcs8::EncodePrivateKey as _;
use secrecy::{ExposeSecret as _, SecretSlice};
use time::OffsetDateTime;

use crate::sealing::{KeyEncryptionKeys, Sealed, SealingError};

/// What comes before the 32 bytes of an Ed25519 key in PKCS #8 (RFC 8410, section 7).
const ED25519_PKCS8: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// What access tokens are signed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum SigningAlgorithm {
    /// ECDSA over P-256, which every verifier takes.
    #[value(name = "ES256")]
    Es256,
    /// Ed25519, which many do not take yet.
    #[value(name = "EdDSA")]
    EdDsa,
}

/// A signing key as a store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningKeyRecord {
    /// Its place among all keys, from 1; no two have the same.
    pub generation: i64,
    /// How tokens name it: the thumbprint of its public half (RFC 7638).
    pub key_id: String,
    /// What it signs with.
    pub algorithm: SigningAlgorithm,
    /// The public half, as JSON (RFC 7517).
    pub public_jwk: String,
    /// The private half in PKCS #8, sealed.
    pub private_key: Sealed,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// From when on it signs, until that of the next one.
    pub signs_from: OffsetDateTime,
}

/// A key cannot be made, sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Its sealing is at fault.
    #[error(transparent)]
    Sealing(#[from] SealingError),
    /// It is no key of its algorithm.
    #[error("a signing key is not usable")]
    Unusable,
}

impl SigningAlgorithm {
    /// The name that it has in tokens (RFC 7518, RFC 8037).
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }

    /// The algorithm of that name.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Es256, Self::EdDsa].into_iter().find(|algorithm| algorithm.word() == word)
    }

    pub(super) fn of_tokens(self) -> Algorithm {
        match self {
            Self::Es256 => Algorithm::ES256,
            Self::EdDsa => Algorithm::EdDSA,
        }
    }

    /// A new private key in PKCS #8.
    fn new_key(self) -> Result<SecretSlice<u8>, KeyError> {
        // Not every 32 bytes are a P-256 key, but all but one in 2^32 are.
        let random = rand::random::<[u8; 32]>();
        match self {
            Self::Es256 => {
                let key = p256::SecretKey::from_slice(&random).map_err(|_| KeyError::Unusable)?;
                let der = key.to_pkcs8_der().map_err(|_| KeyError::Unusable)?;
                Ok(der.as_bytes().to_vec().into())
            }
            Self::EdDsa => Ok([ED25519_PKCS8.as_slice(), &random].concat().into()),
        }
    }

    fn encoding_key(self, der: &SecretSlice<u8>) -> EncodingKey {
        match self {
            Self::Es256 => EncodingKey::from_ec_der(der.expose_secret()),
            Self::EdDsa => EncodingKey::from_ed_der(der.expose_secret()),
        }
    }
}

impl SigningKeyRecord {
    /// A new key that signs from `signs_from` on.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn generate(
        algorithm: SigningAlgorithm,
        generation: i64,
        (now, signs_from): (OffsetDateTime, OffsetDateTime),
        keys: &KeyEncryptionKeys,
    ) -> Result<Self, KeyError> {
        let der = algorithm.new_key()?;
        let unusable = |_| KeyError::Unusable;
        let mut jwk =
            Jwk::from_encoding_key(&algorithm.encoding_key(&der), algorithm.of_tokens()).map_err(unusable)?;
        let key_id = jwk.thumbprint(ThumbprintHash::SHA256).map_err(unusable)?;
        jwk.common.key_id = Some(key_id.clone());
        jwk.common.public_key_use = Some(PublicKeyUse::Signature);
        Ok(Self {
            generation,
            public_jwk: serde_json::to_string(&jwk).map_err(|_| KeyError::Unusable)?,
            private_key: keys.seal(&purpose(&key_id), der.expose_secret())?,
            key_id,
            algorithm,
            created_at: now,
            signs_from,
        })
    }

    pub(super) fn jwk(&self) -> Result<Jwk, KeyError> {
        serde_json::from_str(&self.public_jwk).map_err(|_| KeyError::Unusable)
    }

    pub(super) fn open(&self, keys: &KeyEncryptionKeys) -> Result<EncodingKey, KeyError> {
        let der = keys.open(&purpose(&self.key_id), &self.private_key)?;
        Ok(self.algorithm.encoding_key(&der))
    }

    /// The private half sealed under the newest key-encryption key.
    pub(super) fn reseal(&self, keys: &KeyEncryptionKeys) -> Result<Sealed, KeyError> {
        let purpose = purpose(&self.key_id);
        let der = keys.open(&purpose, &self.private_key)?;
        Ok(keys.seal(&purpose, der.expose_secret())?)
    }
}

fn purpose(key_id: &str) -> String {
    format!("signing key {key_id}")
}
