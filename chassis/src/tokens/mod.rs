//! Access tokens: what they say, how they are verified, where the keys come from.
//!
//! RFC 9068 tokens by RFC 8725's rules: the algorithm belongs to the key, never to
//! the token; issuer, audience, type and times are checked; keys that a token
//! brings along are ignored.

mod caller;
mod claims;
mod keys;
mod remote;
mod scopes;
mod verifier;

pub use caller::Caller;
pub use claims::{AccessClaims, TOKEN_TYPE};
pub use keys::{KeySet, Keys, KeysUnavailable, VerifyingKey};
pub use remote::RemoteKeys;
pub use scopes::Scopes;
pub use verifier::{TokenError, Verifier};
