//! Publishes accounting's own events out of the ledger's outbox.

use std::sync::Arc;
use std::time::Duration;

use accrue_chassis::backoff::Backoff;
use accrue_chassis::health::{Link, Readiness};
use accrue_chassis::http::Collector;
use accrue_chassis::telemetry::chain;
use accrue_events::broker::Publisher;
use accrue_events::outbox::gauges;
use accrue_events::relay::Relay;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::ledger::EventPolicy;
use crate::store::LedgerStore;

/// Between two looks for events where they are off: they are left by processes that had them on.
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

    /// Publishes until `stop`; where events are off, from the moment at which some are left.
    pub async fn run(self, stop: CancellationToken) {
        if self.is_on || are_some_left(&self.store, &stop).await {
            self.relay.run(stop).await;
        }
    }
}

/// Waits until events are left, by a process that had them on and has ended, or still runs and
/// publishes them itself, which does no harm. False when stopped.
async fn are_some_left(store: &Arc<dyn LedgerStore>, stop: &CancellationToken) -> bool {
    let mut backoff = Backoff::for_reconnect();
    while !stop.is_cancelled() {
        let wait = match store.backlog().await {
            Ok(backlog) if backlog.depth > 0 => {
                tracing::info!(
                    events = backlog.depth,
                    "events are off; those that were written before are still published"
                );
                return true;
            }
            Ok(_) => {
                backoff.reset();
                REST
            }
            Err(error) => {
                tracing::warn!(error = chain(&error), "it is not known yet whether events are left");
                backoff.next_wait()
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
    false
}
