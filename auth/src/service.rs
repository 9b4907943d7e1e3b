//! Puts auth together: routes, readiness, metrics and the relay, over what it is given.

use std::sync::Arc;

use accrue_chassis::clock::SharedClock;
use accrue_chassis::health::{Link, Probe, Readiness};
use accrue_chassis::http::{Collector, Manners, Operations, polite};
use accrue_chassis::lifecycle::Lifecycle;
use accrue_events::broker::Publisher;
use accrue_events::relay::Relay;
use async_trait::async_trait;
use axum::Router;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::Notify;

use crate::config::AuthConfig;
use crate::http;
use crate::passwords::PasswordHashing;
use crate::store::AuthStore;

/// What auth runs on.
pub struct Parts {
    /// Users and their outbox.
    pub store: Arc<dyn AuthStore>,
    /// Where events go.
    pub publisher: Box<dyn Publisher>,
    /// The time.
    pub clock: SharedClock,
    /// The process's shutdown.
    pub lifecycle: Lifecycle,
    /// The process's metrics.
    pub metrics: PrometheusHandle,
}

/// Auth, ready to be served and run.
pub struct Service {
    /// Every route, with the manners of our services.
    pub router: Router,
    /// To be run as a worker of the lifecycle.
    pub relay: Relay,
}

/// Puts the service together. It opens nothing and starts nothing.
#[must_use]
pub fn assemble(config: &AuthConfig, parts: Parts) -> Service {
    let Parts { store, publisher, clock, lifecycle, metrics } = parts;
    let wake = Arc::new(Notify::new());
    let broker = Link::default();
    let operations = Operations {
        readiness: Readiness::default()
            .require("database", Arc::new(Database(Arc::clone(&store))))
            .want("broker", broker.clone()),
        metrics,
        collectors: vec![backlog_gauges(Arc::clone(&store))],
        lifecycle: lifecycle.clone(),
    };
    let relay = Relay::new(Arc::<dyn AuthStore>::clone(&store), publisher, Arc::clone(&wake), broker);
    let passwords = PasswordHashing::new(config.hash_queue);
    let routes = http::routes(http::App { store, passwords, clock, lifecycle, wake });
    let manners =
        Manners { service: "auth", deadline: config.request_deadline, max_in_flight: config.max_in_flight };
    Service { router: polite(routes.merge(operations.routes()), manners), relay }
}

/// The database as readiness sees it.
struct Database(Arc<dyn AuthStore>);

#[async_trait]
impl Probe for Database {
    async fn check(&self) -> Result<(), String> {
        self.0.ping().await.map_err(|error| error.to_string())
    }
}

/// Looks at the outbox when metrics are read. A store that does not answer leaves
/// the gauges as they were; readiness tells of it.
fn backlog_gauges(store: Arc<dyn AuthStore>) -> Collector {
    Arc::new(move || {
        let store = Arc::clone(&store);
        Box::pin(async move {
            match store.backlog().await {
                Ok(backlog) => {
                    #[expect(
                        clippy::cast_precision_loss,
                        reason = "a gauge of so many entries is not read to the last one"
                    )]
                    metrics::gauge!("outbox_depth").set(backlog.depth as f64);
                    metrics::gauge!("outbox_oldest_age_seconds").set(backlog.oldest_age.as_secs_f64());
                }
                Err(error) => tracing::debug!(%error, "the outbox could not be measured"),
            }
        })
    })
}
