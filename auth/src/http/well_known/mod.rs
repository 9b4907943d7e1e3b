//! What others find out by themselves: keys and endpoints.

pub(super) mod jwks;
pub(super) mod metadata;
