//! Access tokens as auth makes them: the keys that sign, and what is signed.

mod issuer;
mod known;
mod ring;
mod rotation;
mod signing_key;

pub use issuer::{AccessToken, FIRST_PARTY_CLIENT, TokenIssuer};
pub use ring::{KeyRing, KeyRingError};
pub(crate) use rotation::JWKS_MAX_AGE_S;
pub use rotation::{Rewrapped, Rotated, rewrap, rotate, rotate_after_loss};
pub use signing_key::{KeyError, SigningAlgorithm, SigningKeyRecord};
