//! Clients: services that ask for tokens in their own name.

use accrue_chassis::tokens::Scopes;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::SecretString;
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;
use uuid::Uuid;

use super::user::whole_milliseconds;
use super::{Digest, Roles};

/// How many secrets of a client are good at a time, so that a service can be moved
/// from one to the next while it runs.
pub const GOOD_SECRETS: usize = 2;
const SECRET_BYTES: usize = 32;
const MAX_NAME_CHARS: usize = 100;

/// A service that may ask for tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// Its id.
    pub client_id: String,
    /// What operators call it.
    pub name: String,
    /// What its tokens may allow at most.
    pub scopes: Scopes,
    /// The digests of the secrets that are good, newest first.
    pub secrets: Vec<Digest>,
    /// When it was made.
    pub created_at: OffsetDateTime,
}

/// Why there is no such client to be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidClient {
    /// Its name cannot be used.
    #[error("give a name of 1 to 100 characters, without control characters")]
    Name,
    /// It would have no scope.
    #[error("give at least one scope")]
    NoScope,
    /// Nothing asks for that scope.
    #[error("there is no scope {0}; there are {known}", known = known_scopes())]
    UnknownScope(String),
}

impl Client {
    /// A new client, and its secret, which is kept nowhere.
    ///
    /// # Errors
    /// [`InvalidClient`].
    pub fn new(
        name: &str,
        scopes: Scopes,
        now: OffsetDateTime,
    ) -> Result<(Self, SecretString), InvalidClient> {
        let name = name.trim();
        let is_usable = (1..=MAX_NAME_CHARS).contains(&name.chars().count());
        if !is_usable || name.chars().any(char::is_control) {
            return Err(InvalidClient::Name);
        }
        if scopes.is_empty() {
            return Err(InvalidClient::NoScope);
        }
        let known = known_scopes();
        if let Some(unknown) = scopes.iter().find(|scope| !known.contains(scope)) {
            return Err(InvalidClient::UnknownScope(unknown.to_owned()));
        }
        let (secret, digest) = new_secret();
        let client = Self {
            client_id: Uuid::now_v7().to_string(),
            name: name.to_owned(),
            scopes,
            secrets: vec![digest],
            created_at: whole_milliseconds(now),
        };
        Ok((client, secret))
    }

    /// Whether `secret` is one of those that are good. Digests of random secrets can
    /// be compared as they are: how long it takes tells nothing that helps.
    #[must_use]
    pub fn has_secret(&self, secret: &str) -> bool {
        self.secrets.contains(&Sha256::digest(secret).into())
    }

    /// The secrets that are good once a new one has been added, and that new one.
    #[must_use]
    pub fn with_new_secret(&self) -> (Vec<Digest>, SecretString) {
        let (secret, digest) = new_secret();
        let secrets = std::iter::once(digest).chain(self.secrets.iter().copied()).take(GOOD_SECRETS);
        (secrets.collect(), secret)
    }
}

/// Every scope that a client can have: those of the roles. `me` is not among them, as
/// nothing is a service's own.
pub(crate) fn known_scopes() -> Scopes {
    Roles::all_scopes()
}

fn new_secret() -> (SecretString, Digest) {
    let secret = URL_SAFE_NO_PAD.encode(rand::random::<[u8; SECRET_BYTES]>());
    let digest = Sha256::digest(&secret).into();
    (secret.into(), digest)
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-01-02 03:04:05 UTC);

    #[test]
    fn two_secrets_are_good_at_a_time() {
        let (mut client, first) =
            Client::new(" shop ", Scopes::parse("credits:write"), NOW).expect("a client");
        assert_eq!((client.name.as_str(), client.has_secret(first.expose_secret())), ("shop", true));
        let (secrets, second) = client.with_new_secret();
        client.secrets = secrets;
        assert!(client.has_secret(first.expose_secret()) && client.has_secret(second.expose_secret()));
        let (secrets, third) = client.with_new_secret();
        client.secrets = secrets;
        assert!(!client.has_secret(first.expose_secret()) && client.has_secret(second.expose_secret()));
        assert!(client.has_secret(third.expose_secret()) && !client.has_secret(""));
    }

    #[test]
    fn names_and_scopes_are_checked() {
        let scopes = || Scopes::parse("usage:write");
        for name in ["", "  ", "a\nb", &"a".repeat(101)] {
            assert_eq!(Client::new(name, scopes(), NOW).err(), Some(InvalidClient::Name), "{name:?}");
        }
        assert_eq!(Client::new("a", Scopes::parse(""), NOW).err(), Some(InvalidClient::NoScope));
        let error = Client::new("a", Scopes::parse("usage:write everything"), NOW).err();
        let told = error.expect("an error").to_string();
        assert!(told.contains("no scope everything") && told.contains("users:admin"), "{told}");
    }
}
