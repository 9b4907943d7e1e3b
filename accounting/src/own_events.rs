//! Publishes accounting's own events out of the ledger's outbox.

use std::sync::Arc;
use std::time::Duration;

use accrue_chassis::backoff::Backoff;
use accrue_chassis::health::{Link, Readiness};
use accrue_chassis::http::Collector;
use accrue_chassis::telemetry::chain;
use accrue_events::broker::Publisher;
use accrue_events::outbox::gauges;
use accrue_events::relay::{Outcome, Relay, RelayError};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::ledger::EventPolicy;
use crate::store::LedgerStore;

/// Between two looks for events where they are off, and the age from which on they count as left
/// by processes that had them on.
const REST: Duration = Duration::from_secs(5);

/// The relay of accounting's own events. Where they are off it runs only once some are left
/// from when they were on: what was written with a booking is to be heard of.
pub struct OwnEvents {
    store: Arc<dyn LedgerStore>,
    relay: Relay,
    link: Link,
    is_on: bool,
}

impl OwnEvents {
    /// Events of `store` to `publisher`. `committed` is notified when batches are.
    /// Nothing is connected before [`OwnEvents::run`].
    #[must_use]
    pub fn new(
        store: &Arc<dyn LedgerStore>,
        publisher: Box<dyn Publisher>,
        policy: EventPolicy,
        committed: Arc<Notify>,
    ) -> Self {
        let link = Link::default();
        let outbox = Arc::<dyn LedgerStore>::clone(store);
        let relay = Relay::new("accounting", outbox, publisher, committed, link.clone());
        Self { store: Arc::clone(store), relay, link, is_on: policy != EventPolicy::Off }
    }

    /// Adds what tells how they do to what is looked at: how many wait in any case, whether the
    /// broker takes them where they are on.
    pub(crate) fn watched(&self, readiness: Readiness, collectors: &mut Vec<Collector>) -> Readiness {
        collectors.push(gauges("accounting", Arc::<dyn LedgerStore>::clone(&self.store)));
        if self.is_on { readiness.want("own_events", self.link.clone()) } else { readiness }
    }

    /// Publishes until `stop`; where events are off, what is left.
    pub async fn run(mut self, stop: CancellationToken) {
        if self.is_on {
            return self.relay.run(stop).await;
        }
        let mut backoff = Backoff::for_reconnect();
        let mut has_failed = false;
        while !stop.is_cancelled() {
            let wait = match self.publish_what_is_left(&stop).await {
                Ok(()) => {
                    has_failed = false;
                    backoff.reset();
                    REST
                }
                Err(error) => {
                    let error = chain(&error);
                    if has_failed {
                        tracing::debug!(error, "events may be left still");
                    } else {
                        tracing::warn!(
                            error,
                            "events that may be left could not be published; will try again"
                        );
                    }
                    has_failed = true;
                    backoff.next_wait()
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Publishes what has waited for [`REST`]. What is younger is left to a process that may have
    /// events on still: where two publish, an account's events can change their order.
    async fn publish_what_is_left(&mut self, stop: &CancellationToken) -> Result<(), RelayError> {
        while !stop.is_cancelled() {
            let backlog = self.store.backlog().await?;
            if backlog.depth == 0 || backlog.oldest_age < REST {
                break;
            }
            let Outcome { claimed, published } = self.relay.run_once().await?;
            if published < claimed {
                tracing::warn!(
                    claimed,
                    published,
                    "the broker did not take all events that were left; they will be published again"
                );
                break;
            }
            if claimed == 0 {
                // Somebody holds them, perhaps one who has died.
                break;
            }
            tracing::info!(
                published,
                "events are off; some that were written before were left, and are published"
            );
        }
        Ok(())
    }
}
