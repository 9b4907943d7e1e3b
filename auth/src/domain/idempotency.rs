//! Idempotency keys: how a lost reply to a registration can be asked for again.

use std::fmt;

use secrecy::SecretString;
use sha2::{Digest as _, Sha256};
use time::{Duration, OffsetDateTime};

use super::{DisplayName, EmailAddress, Profile, Roles, Username};

/// The longest key, in characters.
const MAX_CHARS: usize = 255;

/// How long a reply is kept to be given again. The key and whom it registered are
/// kept for ever: a key that comes later still registers nobody twice.
const KEPT_FOR: Duration = Duration::days(30);

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

    /// The key of the item at `place` of a batch that `actor` sent under this key:
    /// no other actor, place or single registration can have it.
    #[must_use]
    pub fn of_item(&self, actor: &str, place: usize) -> Self {
        let mut digest = Sha256::new();
        digest.update(b"batch\0");
        digest.update(self.0);
        digest.update((place as u64).to_be_bytes());
        digest.update(actor);
        Self(digest.finalize().into())
    }

    /// The key of a sign-up for `email` under this key: with another address it is
    /// another one.
    #[must_use]
    pub fn of_address(&self, email: &EmailAddress) -> Self {
        let mut digest = Sha256::new();
        digest.update(b"address\0");
        digest.update(self.0);
        digest.update(email.as_str());
        Self(digest.finalize().into())
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
pub(super) fn request_digest(profile: &Profile) -> Digest {
    let mut digest = Sha256::new();
    digest.update((profile.email.as_str().len() as u64).to_be_bytes());
    digest.update(profile.email.as_str());
    // A name is never empty, so none and empty cannot be taken for each other.
    digest.update(profile.display_name.as_ref().map_or("", DisplayName::as_str));
    // What most requests leave out is written only where it is there. Neither name
    // can hold a NUL, so no two requests run together.
    if let Some(username) = &profile.username {
        digest.update(b"\0username\0");
        digest.update(Username::as_str(username));
    }
    if profile.email_verified {
        digest.update(b"\0verified");
    }
    if profile.roles != Roles::none() {
        digest.update(b"\0roles");
        for role in profile.roles.iter() {
            digest.update(b"\0");
            digest.update(role.word());
        }
    }
    digest.finalize().into()
}

/// What is known of a registration that came with a key, when the key comes again.
#[derive(Debug, Clone)]
pub struct KeptReply {
    /// Whom it registered.
    pub user_id: String,
    /// When.
    pub kept_at: OffsetDateTime,
    /// What to know the request by and to answer it with; nothing once the password
    /// was changed or the user erased.
    pub request: Option<KeptRequest>,
}

/// A registration's request, and the reply to it.
#[derive(Clone)]
pub struct KeptRequest {
    /// Which request it was, but for the password.
    pub digest: Digest,
    /// The hash to compare the repeated password with; none if it came without one.
    pub password_hash: Option<SecretString>,
    /// The body of the reply, byte for byte.
    pub reply: Vec<u8>,
}

impl KeptReply {
    /// The request and its reply, while they are kept.
    #[must_use]
    pub fn at(self, now: OffsetDateTime) -> Option<KeptRequest> {
        self.request.filter(|_| now - self.kept_at < KEPT_FOR)
    }
}

impl fmt::Debug for KeptRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptRequest").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Role;

    #[test]
    fn takes_visible_ascii_only() {
        assert!(IdempotencyKey::parse(b"5f0c-~!").is_ok());
        assert!(IdempotencyKey::parse(&[b'a'; 255]).is_ok());
        for bad in [&b""[..], b"a b", b"a\0", b"\xc3\xa4", b"\x7f", &[b'a'; 256]] {
            assert_eq!(IdempotencyKey::parse(bad), Err(InvalidKey), "{bad:?}");
        }
    }

    #[test]
    fn requests_differ_by_all_but_the_password() {
        let address = |text| EmailAddress::parse(text).expect("an address");
        let ada = DisplayName::parse("Ada").ok();
        let profile = Profile { display_name: ada, ..Profile::of(address("ada@example.com")) };
        let one = request_digest(&profile);
        assert_eq!(one, request_digest(&Profile { email: address(" ADA@example.com"), ..profile.clone() }));
        for other in [
            Profile { display_name: None, ..profile.clone() },
            Profile { email: address("ida@example.com"), ..profile.clone() },
            Profile { username: Username::parse("ada").ok(), ..profile.clone() },
            Profile { email_verified: true, ..profile.clone() },
            Profile { roles: Role::ALL.into_iter().collect(), ..profile.clone() },
        ] {
            assert_ne!(one, request_digest(&other), "{other:?}");
        }
    }

    #[test]
    fn each_item_of_each_actors_batch_has_a_key_of_its_own() {
        let key = |text: &[u8]| IdempotencyKey::parse(text).expect("a key");
        let first = key(b"k").of_item("user:ada", 0);
        assert_eq!(first, key(b"k").of_item("user:ada", 0));
        for other in [key(b"k"), key(b"k").of_item("user:ada", 1), key(b"k").of_item("user:ida", 0)] {
            assert_ne!(first, other);
        }
        assert_ne!(first, key(b"l").of_item("user:ada", 0));
    }

    #[test]
    fn each_address_has_a_key_of_its_own() {
        let key = IdempotencyKey::parse(b"k").expect("a key");
        let of = |text| key.of_address(&EmailAddress::parse(text).expect("an address"));
        assert_eq!(of("ada@example.com"), of(" ADA@example.com"));
        assert_ne!(of("ada@example.com"), of("ida@example.com"));
        assert_ne!(of("ada@example.com"), key);
    }

    #[test]
    fn a_reply_is_kept_for_thirty_days() {
        let kept_at = time::macros::datetime!(2026-01-02 03:04:05 UTC);
        let request = KeptRequest { digest: [0; 32], password_hash: None, reply: b"reply".to_vec() };
        let kept = KeptReply { user_id: "u1".into(), kept_at, request: Some(request) };
        assert!(kept.clone().at(kept_at + Duration::days(29)).is_some());
        assert!(kept.at(kept_at + Duration::days(30)).is_none());
    }
}
