//! The queues at the broker, looked at every few seconds: declared again where somebody deleted
//! them or a binding, and counted for `/metrics`.

use std::time::Duration;

use accrue_events::broker::{Broker, Depth};
use tokio_util::sync::CancellationToken;

/// Between two looks: each takes a connection of its own.
const REST: Duration = Duration::from_secs(5);

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
            loop {
                // First, too: the consumer is just declaring them.
                tokio::time::sleep(REST).await;
                match self.0.tend().await {
                    Ok(depth) => tell(depth),
                    Err(error) => tracing::debug!(%error, "the queues could not be looked after"),
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
