//! Sealing: what is encrypted before it goes into the store, and under which key.
//!
//! XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha) with a random nonce of 192 bits, so
//! that no counter has to be kept. What is sealed is bound to what it is for: the
//! sealed text of one record does not open as that of another.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use secrecy::{ExposeSecret as _, SecretBox, SecretSlice, SecretString};
use sha2::{Digest as _, Sha256};

const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 24;

/// The key-encryption keys, newest first: the first one seals, each one opens.
#[derive(Clone)]
pub struct KeyEncryptionKeys(Arc<[Key]>);

struct Key {
    id: String,
    secret: SecretBox<[u8; KEY_BYTES]>,
}

/// Something encrypted, with the id of the key that it was encrypted under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// Which key-encryption key opens it.
    pub key_id: String,
    /// Nonce and ciphertext.
    pub bytes: Vec<u8>,
}

/// The text is no list of keys. It does not quote what it complains of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "give keys of 32 bytes in base64, newest first, with commas between; `openssl rand -base64 32` makes one"
)]
pub struct InvalidKeys;

/// Why something is not opened or sealed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealingError {
    /// Its key is not among ours.
    #[error("it is sealed under the key {0}, which is not among the key-encryption keys")]
    UnknownKey(String),
    /// It was tampered with, or belongs elsewhere.
    #[error("it does not open under its key")]
    Broken,
}

impl KeyEncryptionKeys {
    /// Reads a list of keys.
    ///
    /// # Errors
    /// [`InvalidKeys`].
    pub fn parse(list: &str) -> Result<Self, InvalidKeys> {
        let keys: Result<Vec<_>, _> = list.split(',').map(|text| Key::parse(text.trim())).collect();
        keys.map(|keys| Self(keys.into()))
    }

    /// A new key, in the form that [`KeyEncryptionKeys::parse`] reads.
    #[must_use]
    pub fn generate() -> SecretString {
        STANDARD.encode(rand::random::<[u8; KEY_BYTES]>()).into()
    }

    /// Encrypts `plain` under the newest key, for `purpose` only.
    ///
    /// # Errors
    /// [`SealingError::Broken`], when the text is longer than the cipher takes.
    pub fn seal(&self, purpose: &str, plain: &[u8]) -> Result<Sealed, SealingError> {
        // `parse` makes no empty list.
        let key = self.0.first().ok_or(SealingError::Broken)?;
        let nonce = rand::random::<[u8; NONCE_BYTES]>();
        let payload = Payload { msg: plain, aad: purpose.as_bytes() };
        let sealed = key.cipher().encrypt(&XNonce::from(nonce), payload).map_err(|_| SealingError::Broken)?;
        Ok(Sealed { key_id: key.id.clone(), bytes: [nonce.as_slice(), &sealed].concat() })
    }

    /// Decrypts what was sealed for `purpose`.
    ///
    /// # Errors
    /// [`SealingError`].
    pub fn open(&self, purpose: &str, sealed: &Sealed) -> Result<SecretSlice<u8>, SealingError> {
        let key = self.0.iter().find(|key| key.id == sealed.key_id);
        let key = key.ok_or_else(|| SealingError::UnknownKey(sealed.key_id.clone()))?;
        let (nonce, text) = sealed.bytes.split_first_chunk::<NONCE_BYTES>().ok_or(SealingError::Broken)?;
        let payload = Payload { msg: text, aad: purpose.as_bytes() };
        let plain = key.cipher().decrypt(&XNonce::from(*nonce), payload).map_err(|_| SealingError::Broken)?;
        Ok(plain.into())
    }

    /// The id of the newest key.
    #[must_use]
    pub fn current_id(&self) -> &str {
        // `parse` makes no empty list.
        self.0.first().map_or("", |key| &key.id)
    }

    /// Whether `sealed` is sealed under the newest key, as everything should be
    /// before an older key is taken off the list.
    #[must_use]
    pub fn is_current(&self, sealed: &Sealed) -> bool {
        sealed.key_id == self.current_id()
    }
}

impl std::fmt::Debug for KeyEncryptionKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|key| &key.id)).finish()
    }
}

impl Key {
    fn parse(text: &str) -> Result<Self, InvalidKeys> {
        let bytes = STANDARD.decode(text).map_err(|_| InvalidKeys)?;
        let bytes: [u8; KEY_BYTES] = bytes.try_into().map_err(|_| InvalidKeys)?;
        let mut digest = Sha256::new();
        digest.update("accrue key-encryption key id");
        digest.update(bytes);
        let id = URL_SAFE_NO_PAD.encode(&digest.finalize()[..9]);
        Ok(Self { id, secret: SecretBox::new(Box::new(bytes)) })
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(self.secret.expose_secret().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(list: &[&SecretString]) -> KeyEncryptionKeys {
        let list: Vec<_> = list.iter().map(|key| key.expose_secret()).collect();
        KeyEncryptionKeys::parse(&list.join(", ")).expect("keys")
    }

    #[test]
    fn what_is_sealed_opens_for_its_purpose_only() {
        let keys = keys(&[&KeyEncryptionKeys::generate()]);
        let sealed = keys.seal("mail m1", b"hello").expect("sealed");
        assert_eq!(keys.open("mail m1", &sealed).expect("opened").expose_secret(), b"hello");
        assert_ne!(keys.seal("mail m1", b"hello").expect("another nonce"), sealed);
        assert_eq!(keys.open("mail m2", &sealed).err(), Some(SealingError::Broken));
        let mut bent = sealed.clone();
        *bent.bytes.last_mut().expect("bytes") ^= 1;
        assert_eq!(keys.open("mail m1", &bent).err(), Some(SealingError::Broken));
        let short = Sealed { bytes: vec![0; 5], ..sealed };
        assert_eq!(keys.open("mail m1", &short).err(), Some(SealingError::Broken));
    }

    #[test]
    fn older_keys_open_and_the_newest_seals() {
        let (old, new) = (KeyEncryptionKeys::generate(), KeyEncryptionKeys::generate());
        let sealed = keys(&[&old]).seal("x", b"hello").expect("sealed");
        let both = keys(&[&new, &old]);
        assert!(!both.is_current(&sealed));
        assert_eq!(both.open("x", &sealed).expect("opened").expose_secret(), b"hello");
        let again = both.seal("x", b"hello").expect("sealed");
        assert!(both.is_current(&again));
        assert!(keys(&[&new]).open("x", &again).is_ok());
        assert!(matches!(keys(&[&new]).open("x", &sealed), Err(SealingError::UnknownKey(_))));
    }

    #[test]
    fn only_keys_of_32_bytes_are_keys_and_none_is_shown() {
        for text in ["", ",", "aGVsbG8=", "not base64", &"A".repeat(44)] {
            assert_eq!(KeyEncryptionKeys::parse(text).err(), Some(InvalidKeys), "{text:?}");
        }
        let key = KeyEncryptionKeys::generate();
        let shown = format!("{:?}", keys(&[&key]));
        assert!(!shown.contains(key.expose_secret()), "{shown}");
    }
}
