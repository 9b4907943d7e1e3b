//! Idempotency keys: how a lost reply to a registration can be asked for again.

use std::fmt;

use secrecy::SecretString;
use sha2::{Digest as _, Sha256};

use super::{DisplayName, EmailAddress};

/// The longest key, in characters.
const MAX_CHARS: usize = 255;

/// A SHA-256 digest.
pub type Digest = [u8; 32];

/// The key of one registration. Only its digest is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdempotencyKey(Digest);

/// The text is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Give one Idempotency-Key of 1 to 255 visible ASCII characters, such as a UUID, or leave it out.")]
pub struct InvalidKey;

impl IdempotencyKey {
    /// Checks the header's value.
    ///
    /// # Errors
    /// [`InvalidKey`].
    pub fn parse(value: &[u8]) -> Result<Self, InvalidKey> {
        let is_visible = value.iter().all(u8::is_ascii_graphic);
        if is_visible && (1..=MAX_CHARS).contains(&value.len()) {
            Ok(Self(Sha256::digest(value).into()))
        } else {
            Err(InvalidKey)
        }
    }

    /// What is stored of it.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.0
    }
}

/// The digest by which a repeated request is known. The password is left out on
/// purpose: a fast digest of it would undo what argon2 is for. A repeated
/// password is compared with the stored hash instead.
pub(crate) fn request_digest(email: &EmailAddress, display_name: Option<&DisplayName>) -> Digest {
    let mut digest = Sha256::new();
    digest.update((email.as_str().len() as u64).to_be_bytes());
    digest.update(email.as_str());
    // A name is never empty, so none and empty cannot be taken for each other.
    digest.update(display_name.map_or("", DisplayName::as_str));
    digest.finalize().into()
}

/// What is kept of a registration that came with a key, for when it comes again.
#[derive(Clone)]
pub struct KeptReply {
    /// Whom it registered.
    pub user_id: String,
    /// Which request it was, but for the password.
    pub request_digest: Digest,
    /// The hash to compare the repeated password with.
    pub password_hash: SecretString,
    /// The body of the reply, byte for byte.
    pub reply: Vec<u8>,
}

impl fmt::Debug for KeptReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptReply").field("user_id", &self.user_id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_visible_ascii_only() {
        assert!(IdempotencyKey::parse(b"5f0c-~!").is_ok());
        assert!(IdempotencyKey::parse(&[b'a'; 255]).is_ok());
        for bad in [&b""[..], b"a b", b"a\0", b"\xc3\xa4", b"\x7f", &[b'a'; 256]] {
            assert_eq!(IdempotencyKey::parse(bad), Err(InvalidKey), "{bad:?}");
        }
    }

    #[test]
    fn requests_differ_by_address_and_name() {
        let address = |text| EmailAddress::parse(text).expect("an address");
        let ada = DisplayName::parse("Ada").expect("a name");
        let one = request_digest(&address("ada@example.com"), Some(&ada));
        assert_eq!(one, request_digest(&address(" ADA@example.com"), Some(&ada)));
        assert_ne!(one, request_digest(&address("ada@example.com"), None));
        assert_ne!(one, request_digest(&address("ida@example.com"), Some(&ada)));
    }
}
