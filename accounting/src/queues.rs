//! The queues at the broker, looked at every few seconds: declared again where somebody deleted
//! them or a binding, and counted for `/metrics`.

use std::time::Duration;

use accrue_chassis::telemetry::chain;
use accrue_events::broker::{Broker, Depth, Tended};
use tokio_util::sync::CancellationToken;

/// Between two looks: each takes a connection of its own.
const REST: Duration = Duration::from_secs(5);
/// The same where the broker refuses to have something declared: both of us log an error each time.
const REST_IF_REFUSED: Duration = Duration::from_mins(1);

/// Keeps the queues there, and the gauge `broker_queue_depth` true.
pub(crate) struct Queues(Broker);

impl Queues {
    pub(crate) fn new(broker: Broker) -> Self {
        Self(broker)
    }

    /// Looks until `stop`. While the broker is away the gauge keeps its last value; readiness
    /// tells of that.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let look = async {
            let mut is_refused = false;
            loop {
                // First, too: the consumer is just declaring them.
                tokio::time::sleep(if is_refused { REST_IF_REFUSED } else { REST }).await;
                match self.0.tend().await {
                    Ok(Tended { depth, refused }) => {
                        tell(depth);
                        // The consumer goes on as before, so readiness does not tell of this.
                        if let Some(error) = refused.as_ref().filter(|_| !is_refused) {
                            tracing::warn!(
                                error = chain(error),
                                "the broker refuses to have its exchanges and queues declared: what of them \
                                 gets lost is not made anew"
                            );
                        }
                        is_refused = refused.is_some();
                    }
                    Err(error) => {
                        is_refused = false;
                        tracing::debug!(%error, "the queues could not be looked after");
                    }
                }
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = look => {}
        }
    }
}

fn tell(depth: Depth) {
    for (queue, count) in
        [("main", depth.queue), ("retry", depth.retry), ("dead_letters", depth.dead_letters)]
    {
        #[expect(clippy::cast_precision_loss, reason = "a count of messages stays below 2^52")]
        metrics::gauge!("broker_queue_depth", "queue" => queue).set(count as f64);
    }
}
