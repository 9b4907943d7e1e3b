//! How many messages wait at the broker, looked at every few seconds for `/metrics`.

use std::time::Duration;

use accrue_events::broker::{Broker, Depth};
use tokio_util::sync::CancellationToken;

/// Between two looks: each takes a connection of its own.
const REST: Duration = Duration::from_secs(5);

/// Keeps the gauge `broker_queue_depth` true.
pub(crate) struct QueueDepth(Broker);

impl QueueDepth {
    pub(crate) fn new(broker: Broker) -> Self {
        Self(broker)
    }

    /// Looks until `stop`. While the broker is away the gauge keeps its last value; readiness
    /// tells of that.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let look = async {
            loop {
                // First, too: on a new broker somebody has yet to declare the queues.
                tokio::time::sleep(REST).await;
                match self.0.depth().await {
                    Ok(depth) => tell(depth),
                    Err(error) => tracing::debug!(%error, "the queues could not be looked at"),
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
