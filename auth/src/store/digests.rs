//! Digests as one value: one after the other.

use super::StoreError;
use crate::domain::Digest;

pub(super) fn join(digests: &[Digest]) -> Vec<u8> {
    digests.concat()
}

pub(super) fn split(bytes: &[u8]) -> Result<Vec<Digest>, StoreError> {
    match bytes.as_chunks() {
        (digests, []) => Ok(digests.to_vec()),
        _ => Err(StoreError::corrupt("a digest of another length")),
    }
}

pub(super) fn one(bytes: &[u8]) -> Result<Digest, StoreError> {
    bytes.try_into().map_err(|_| StoreError::corrupt("a digest of another length"))
}
