//! Verifying access tokens, by RFC 8725 and RFC 9068.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use jsonwebtoken::{Validation, decode, decode_header};
use sha2::{Digest as _, Sha256};

use super::{AccessClaims, Caller, Keys, KeysUnavailable, TOKEN_TYPE};
use crate::clock::SharedClock;

/// A longer one is not ours.
const MAX_TOKEN_BYTES: usize = 4_096;
/// How far the issuer's clock may run ahead of ours, in seconds.
const NOT_BEFORE_LEEWAY_S: i64 = 5;
/// Verified tokens that are remembered: checking a signature costs as much as the
/// rest of a request.
const REMEMBERED: usize = 10_000;

/// Verifies access tokens of one issuer for one audience.
pub struct Verifier {
    keys: Arc<dyn Keys>,
    issuer: String,
    audience: String,
    clock: SharedClock,
    verified: Mutex<HashMap<[u8; 32], Arc<Verified>>>,
}

/// A token whose signature was found good.
struct Verified {
    caller: Caller,
    /// From when on it is worth nothing, in seconds since 1970.
    exp: i64,
    /// Before when it is worth nothing.
    nbf: i64,
    /// The key that it was signed with.
    key_id: String,
}

/// Why a token is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is not one of ours, or no longer. The text is for the log.
    #[error("{0}")]
    Invalid(&'static str),
    /// Its time is over.
    #[error("it has expired")]
    Expired,
    /// It cannot be verified now.
    #[error(transparent)]
    Unavailable(#[from] KeysUnavailable),
}

impl Verifier {
    /// A verifier of tokens that `issuer` made for `audience`.
    #[must_use]
    pub fn new(keys: Arc<dyn Keys>, issuer: String, audience: String, clock: SharedClock) -> Self {
        Self { keys, issuer, audience, clock, verified: Mutex::default() }
    }

    /// Whom `token` was made for.
    ///
    /// # Errors
    /// [`TokenError`].
    pub async fn verify(&self, token: &str) -> Result<Caller, TokenError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::Invalid("it is longer than any of ours"));
        }
        let digest: [u8; 32] = Sha256::digest(token).into();
        let remembered = self.lock().get(&digest).cloned();
        let verified = match remembered {
            Some(verified) if self.keys.find(&verified.key_id).await?.is_some() => verified,
            _ => {
                let verified = Arc::new(self.check_signature(token).await?);
                self.remember(digest, Arc::clone(&verified));
                verified
            }
        };
        self.check_times(&verified)?;
        Ok(verified.caller.clone())
    }

    async fn check_signature(&self, token: &str) -> Result<Verified, TokenError> {
        let header = decode_header(token).map_err(|_| TokenError::Invalid("its header cannot be read"))?;
        let is_access_token = header.typ.as_deref().is_some_and(|typ| {
            let typ = typ.to_ascii_lowercase();
            typ == TOKEN_TYPE || typ.strip_prefix("application/") == Some(TOKEN_TYPE)
        });
        if !is_access_token {
            return Err(TokenError::Invalid("it is no access token"));
        }
        let key_id = header.kid.ok_or(TokenError::Invalid("it names no key"))?;
        let key = self.keys.find(&key_id).await?;
        let key = key.ok_or(TokenError::Invalid("its key is not one of the issuer's"))?;
        // The key's algorithm, whatever the token says.
        let mut validation = Validation::new(key.algorithm);
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[&self.audience]);
        validation.set_required_spec_claims(&["exp", "nbf", "iss", "aud", "sub"]);
        // Times are checked by our clock, every time the token comes.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        let claims = decode::<AccessClaims>(token, &key.key, &validation)
            .map_err(|_| TokenError::Invalid("its signature, issuer, audience or claims are wrong"))?
            .claims;
        Ok(Verified { exp: claims.exp, nbf: claims.nbf, caller: claims.into(), key_id })
    }

    fn check_times(&self, verified: &Verified) -> Result<(), TokenError> {
        let now = self.clock.now().unix_timestamp();
        if now >= verified.exp {
            return Err(TokenError::Expired);
        }
        if now < verified.nbf.saturating_sub(NOT_BEFORE_LEEWAY_S) {
            return Err(TokenError::Invalid("it is not valid yet"));
        }
        Ok(())
    }

    fn remember(&self, digest: [u8; 32], verified: Arc<Verified>) {
        let now = self.clock.now().unix_timestamp();
        let mut memory = self.lock();
        if memory.len() >= REMEMBERED {
            memory.retain(|_, verified| verified.exp > now);
        }
        if memory.len() >= REMEMBERED {
            memory.clear();
        }
        memory.insert(digest, verified);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<[u8; 32], Arc<Verified>>> {
        self.verified.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
