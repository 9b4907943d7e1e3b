//! Access tokens as auth makes them: the keys that sign, and what is signed.

mod issuer;
mod ring;
mod signing_key;

pub use issuer::{AccessToken, FIRST_PARTY_CLIENT, TokenIssuer};
pub(crate) use ring::JWKS_MAX_AGE_S;
pub use ring::{KeyRing, KeyRingError, Rotated, rewrap, rotate};
pub use signing_key::{KeyError, SigningAlgorithm, SigningKeyRecord};
