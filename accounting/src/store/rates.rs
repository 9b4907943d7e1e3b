//! The store of rates as the rest of accounting sees it.

use async_trait::async_trait;
use time::OffsetDateTime;

use super::StoreError;
use crate::rates::{EffectiveInPast, RateOrder, RateVersion, Revision};

/// How many versions that wait for their instant are shown of one resource: the newest.
pub(super) const MAX_WAITING: u32 = 200;

/// How a resource's rate stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateStanding {
    /// Of what.
    pub resource: String,
    /// What prices it now.
    pub in_force: Option<RateVersion>,
    /// What will, as things stand, soonest first.
    pub scheduled: Vec<RateVersion>,
}

impl RateStanding {
    /// How the rate of `resource` stands at `at`, by the versions of it that may matter.
    pub(super) fn new(resource: String, versions: &[RateVersion], at: OffsetDateTime) -> Self {
        let in_force = crate::rates::in_force(versions.iter(), at).cloned();
        let scheduled = crate::rates::scheduled(versions, at).into_iter().cloned().collect();
        Self { resource, in_force, scheduled }
    }
}

/// Keeps rates. No account is concerned, so this door is beside the ledger's own; what
/// usage costs is read within the transaction that books it.
#[async_trait]
pub trait RateStore: Send + Sync + 'static {
    /// Makes the next version of a rate, unless the newest says the same already. Two at
    /// once come one after the other, and each finds what the one before made.
    async fn put_rate(&self, order: &RateOrder) -> Result<Result<Revision, EffectiveInPast>, StoreError>;

    /// How the rate of a resource stands now; none if it never had one.
    async fn rate(&self, resource: &str) -> Result<Option<RateStanding>, StoreError>;

    /// How rates stand now, by resource, `limit` at most, those after `after`.
    async fn rates(&self, after: Option<&str>, limit: u32) -> Result<Vec<RateStanding>, StoreError>;

    /// The version of a resource's rate that is in force at `at`, or now.
    async fn rate_at(
        &self,
        resource: &str,
        at: Option<OffsetDateTime>,
    ) -> Result<Option<RateVersion>, StoreError>;

    /// One version.
    async fn rate_version(&self, resource: &str, version: i64) -> Result<Option<RateVersion>, StoreError>;

    /// Versions of a resource's rate, newest first, `limit` at most, those below `before`.
    async fn rate_versions(
        &self,
        resource: &str,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<RateVersion>, StoreError>;
}
