//! Makes access tokens.

use accrue_chassis::clock::SharedClock;
use accrue_chassis::tokens::{AccessClaims, Scopes, TOKEN_TYPE};
use jsonwebtoken::{Header, encode};
use uuid::Uuid;

use super::ring::{KeyRing, KeyRingError};
use crate::config::TokenConfig;

/// The client of everybody who signs in with a password: our own, without a secret.
pub const FIRST_PARTY_CLIENT: &str = "accrue";

/// Makes access tokens (RFC 9068).
#[derive(Clone)]
pub struct TokenIssuer {
    ring: KeyRing,
    issuer: String,
    audience: String,
    lifetime_s: u32,
    clock: SharedClock,
}

/// A token that was made. `Debug` does not show it.
pub struct AccessToken {
    /// The token itself.
    pub token: String,
    /// How long it is good, in seconds.
    pub expires_in: u32,
    /// What it allows.
    pub scope: String,
}

impl TokenIssuer {
    /// An issuer that calls itself `issuer`.
    #[must_use]
    pub fn new(ring: KeyRing, issuer: String, config: &TokenConfig, clock: SharedClock) -> Self {
        let (audience, lifetime_s) = (config.audience.clone(), config.access_token_s);
        Self { ring, issuer, audience, lifetime_s, clock }
    }

    /// What it calls itself, in tokens and in its metadata.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.issuer
    }

    /// The keys with which it signs.
    #[must_use]
    pub fn ring(&self) -> &KeyRing {
        &self.ring
    }

    /// A token for a user, in one of their sessions.
    ///
    /// # Errors
    /// [`KeyRingError`], when no key can sign.
    pub async fn for_user(
        &self,
        user_id: &str,
        session_id: Uuid,
        scopes: &Scopes,
    ) -> Result<AccessToken, KeyRingError> {
        self.sign(user_id, FIRST_PARTY_CLIENT, Some(session_id), scopes).await
    }

    /// A token for a service that asks for itself.
    ///
    /// # Errors
    /// [`KeyRingError`], when no key can sign.
    pub async fn for_client(&self, client_id: &str, scopes: &Scopes) -> Result<AccessToken, KeyRingError> {
        self.sign(client_id, client_id, None, scopes).await
    }

    async fn sign(
        &self,
        subject: &str,
        client_id: &str,
        session_id: Option<Uuid>,
        scopes: &Scopes,
    ) -> Result<AccessToken, KeyRingError> {
        let signer = self.ring.signer().await?;
        let now = self.clock.now().unix_timestamp();
        let scope = scopes.to_string();
        let claims = AccessClaims {
            iss: self.issuer.clone(),
            aud: self.audience.clone(),
            sub: subject.to_owned(),
            exp: now + i64::from(self.lifetime_s),
            nbf: now,
            iat: now,
            jti: Uuid::now_v7().to_string(),
            scope: scope.clone(),
            client_id: client_id.to_owned(),
            sid: session_id.map(|id| id.to_string()),
        };
        let header = Header {
            typ: Some(TOKEN_TYPE.to_owned()),
            kid: Some(signer.key_id().to_owned()),
            ..Header::new(signer.algorithm())
        };
        let key = signer.key().ok_or(KeyRingError::NoSigner)?;
        let token = encode(&header, &claims, key).map_err(|_| KeyRingError::NoSigner)?;
        Ok(AccessToken { token, expires_in: self.lifetime_s, scope })
    }
}
