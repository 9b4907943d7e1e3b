//! The outbox as its relay sees it: claim, mark published, release.

use std::sync::Arc;
use std::time::Duration;

use accrue_chassis::http::Collector;
use async_trait::async_trait;
use uuid::Uuid;

use crate::broker::Message;

/// Events that were written together with the change they tell of and wait to be
/// published. Stores implement this next to the writes that fill it.
///
/// A claim is a lease with a fencing token: until it ends no other relay claims
/// the same entries, and after it ended the old token can mark nothing. So an
/// entry is published at least once; a relay that stops anywhere only causes it
/// to be published again.
#[async_trait]
pub trait Outbox: Send + Sync + 'static {
    /// Takes up to `limit` entries (a store that leases whole owners may give a
    /// few more) for `lease`. Entries whose lease lies further ahead than twice
    /// `lease` were leased by a wrong clock and may be taken too.
    async fn claim(&self, limit: usize, lease: Duration) -> Result<Claim, OutboxError>;

    /// Removes entries that the broker has confirmed, as far as the claim still holds.
    async fn mark_published(&self, claim: &Claim, confirmed: &[Entry]) -> Result<(), OutboxError>;

    /// Ends the claim, so that what is left can be claimed at once.
    async fn release(&self, claim: &Claim) -> Result<(), OutboxError>;

    /// A relay of this process runs from now on, whose claims hold for `lease`: a store may
    /// lease to it what it writes, and hand it over without being asked.
    fn relay_begins(&self, _lease: Duration) {}

    /// That relay has ended: what was handed over and not published can be claimed at once.
    async fn relay_ended(&self) -> Result<(), OutboxError> {
        Ok(())
    }

    /// How much waits.
    async fn backlog(&self) -> Result<Backlog, OutboxError>;
}

/// Entries that one relay holds for a while.
#[derive(Debug, Clone)]
pub struct Claim {
    /// The fencing token.
    pub token: Uuid,
    /// What was claimed; of one owner, in the order in which it was written.
    pub entries: Vec<Entry>,
}

/// One event that waits.
#[derive(Debug, Clone)]
pub struct Entry {
    /// What it was written with: a user id.
    pub owner: String,
    /// The event, ready to be published.
    pub message: Message,
}

/// How much waits in an outbox.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Owners or entries that wait, whichever the store counts cheaply; of very many, an
    /// upper bound.
    pub depth: u64,
    /// The age of the oldest of them.
    pub oldest_age: Duration,
}

/// The store of the outbox failed. Nothing is lost by it: the lease ends by itself.
#[derive(Debug, thiserror::Error)]
#[error("the outbox cannot be reached")]
pub struct OutboxError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// Looks at the outbox of `service` when metrics are read. A store that does not answer
/// leaves the gauges as they were; readiness tells of it.
#[must_use]
pub fn gauges(service: &'static str, outbox: Arc<dyn Outbox>) -> Collector {
    Arc::new(move || {
        let outbox = Arc::clone(&outbox);
        Box::pin(async move {
            match outbox.backlog().await {
                Ok(backlog) => {
                    #[expect(
                        clippy::cast_precision_loss,
                        reason = "a gauge of so many entries is not read to the last one"
                    )]
                    metrics::gauge!("outbox_depth", "service" => service).set(backlog.depth as f64);
                    metrics::gauge!("outbox_oldest_age_seconds", "service" => service)
                        .set(backlog.oldest_age.as_secs_f64());
                }
                Err(error) => tracing::debug!(%error, service, "the outbox could not be measured"),
            }
        })
    })
}
