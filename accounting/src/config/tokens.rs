//! Whose access tokens are taken, and where the keys are that they are verified with.

use url::Url;

/// Where auth is, and what it calls itself, unless either was told otherwise.
pub(super) const DEFAULT_ISSUER: &str = "http://127.0.0.1:8001";
pub(super) const DEFAULT_AUDIENCE: &str = "accrue";

/// Whose access tokens are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenConfig {
    /// Who makes them: auth's `AUTH_ISSUER`.
    pub issuer: String,
    /// Whom they are for.
    pub audience: String,
    /// Where the issuer's keys are.
    pub jwks_url: Url,
}

impl TokenConfig {
    /// Tokens of `issuer` for `audience`; the keys are in the usual place below
    /// `keys_at`, which is the issuer itself unless it is reached by another address.
    ///
    /// # Errors
    /// When `keys_at` is no `http://` or `https://` URL.
    pub fn new(issuer: &str, audience: &str, keys_at: &str) -> Result<Self, String> {
        let below = format!("{}/.well-known/jwks.json", keys_at.trim_end_matches('/'));
        let issuer = issuer.trim_end_matches('/').to_owned();
        Ok(Self { issuer, audience: audience.to_owned(), jwks_url: http_url(&below)? })
    }
}

impl Default for TokenConfig {
    fn default() -> Self {
        Self::new(DEFAULT_ISSUER, DEFAULT_AUDIENCE, DEFAULT_ISSUER).expect("the default is a URL")
    }
}

/// An address that can be asked.
pub(super) fn http_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("this is no URL: {error}"))?;
    let is_usable = matches!(url.scheme(), "http" | "https") && url.has_host();
    is_usable.then_some(url).ok_or_else(|| "give a URL that begins with http:// or https://".to_owned())
}
