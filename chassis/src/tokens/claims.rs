//! The claims of an access token (RFC 9068).

use serde::{Deserialize, Serialize};

/// The `typ` of an access token.
pub const TOKEN_TYPE: &str = "at+jwt";

/// What an access token says. Times are seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessClaims {
    /// Who made it: auth's public URL.
    pub iss: String,
    /// Whom it is for.
    pub aud: String,
    /// A user id, or a client's id where a service acts for itself.
    pub sub: String,
    /// From when on it is worth nothing.
    pub exp: i64,
    /// Before when it is worth nothing.
    pub nbf: i64,
    /// When it was made.
    pub iat: i64,
    /// Its own id.
    pub jti: String,
    /// What it allows.
    pub scope: String,
    /// The client that it was made for. Equal to `sub` where a service acts for itself.
    pub client_id: String,
    /// The session it belongs to; none where a service acts for itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
}
