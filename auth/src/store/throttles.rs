//! The port of throttles: counters that any number of processes share.

use async_trait::async_trait;
use time::OffsetDateTime;

use super::StoreError;
use crate::domain::Digest;

/// One counter: of one limit, one subject and one window of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Throttle {
    /// Tells it from every other; nobody's address can be read off it.
    pub key: Digest,
    /// How many are admitted.
    pub admits: u32,
    /// When its window ends, after which nobody asks for it again.
    pub expires_at: OffsetDateTime,
}

/// The counters.
#[async_trait]
pub trait ThrottleStore: Send + Sync + 'static {
    /// Counts one more, in one atomic step, unless as many as it admits are counted
    /// already. Whether it was counted.
    ///
    /// # Errors
    /// [`StoreError`]. After `Unavailable` it may have been counted.
    async fn count(&self, throttle: &Throttle) -> Result<bool, StoreError>;

    /// Takes one back that was counted.
    ///
    /// # Errors
    /// [`StoreError`]. After `Unavailable` it may have been taken back.
    async fn uncount(&self, throttle: &Throttle) -> Result<(), StoreError>;
}
