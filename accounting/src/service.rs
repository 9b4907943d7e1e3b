//! accounting put together from its parts: routes, ledger lanes, sweep, consumer, events.

use std::sync::Arc;

use accrue_chassis::clock::SharedClock;
use accrue_chassis::health::{Link, Probe, Readiness};
use accrue_chassis::http::{Collector, Manners, Operations, documentation, guard, polite};
use accrue_chassis::lifecycle::Lifecycle;
use accrue_chassis::tokens::{RemoteKeys, Verifier};
use accrue_events::broker::{Broker, Publisher, Subscriber};
use async_trait::async_trait;
use axum::Router;
use axum::middleware::from_fn_with_state;
use metrics_exporter_prometheus::PrometheusHandle;

use crate::batcher::Batcher;
use crate::config::AccountingConfig;
use crate::consumer::Consumer;
use crate::directory::{Checks, UserDirectory};
use crate::http;
use crate::own_events::OwnEvents;
use crate::queues::Queues;
use crate::store::{LedgerStore, Placeholders};
use crate::sweep::Sweep;

/// What accounting is made of; each comes from outside.
pub struct Parts {
    /// The ledger's store.
    pub store: Arc<dyn LedgerStore>,
    /// Where user events come from.
    pub subscriber: Arc<dyn Subscriber>,
    /// Where our own events go, if they are on.
    pub publisher: Box<dyn Publisher>,
    /// Where auth can be asked after users, if it can.
    pub directory: Option<Arc<dyn UserDirectory>>,
    /// Whose dead letters are looked after, and whose queues are watched.
    pub broker: Broker,
    /// The time.
    pub clock: SharedClock,
    /// The process's start and end.
    pub lifecycle: Lifecycle,
    /// The process's metrics.
    pub metrics: PrometheusHandle,
}

/// accounting, ready to be served and run.
pub struct Service {
    /// All routes.
    pub router: Router,
    /// Fetches the keys that tokens are verified with; to be run as a worker.
    pub keys: RemoteKeys,
    /// To be run as a worker.
    pub consumer: Consumer,
    /// To be run as a worker.
    pub own_events: OwnEvents,
}

/// Puts accounting together. The ledger's lanes and its sweep run from now on.
///
/// # Errors
/// When there is no TLS to fetch keys with, or a route does not say who may call it.
pub fn assemble(config: &AccountingConfig, parts: Parts) -> anyhow::Result<Service> {
    let Parts { store, subscriber, publisher, directory, broker, clock, lifecycle, metrics } = parts;
    let batcher = Batcher::start(&store, config.policies, &lifecycle);
    let sweep = Sweep::new(Arc::clone(&store), batcher.clone());
    lifecycle.spawn_worker(sweep.run(lifecycle.worker_token()));
    let link = Link::default();
    let keys_link = Link::default();
    let own_events = OwnEvents::new(&store, publisher, config.policies.events, batcher.committed());
    let mut collectors = vec![count_placeholders(Arc::clone(&store))];
    let readiness = Readiness::default()
        .require("database", Arc::new(StoreProbe(Arc::clone(&store))))
        .want("broker", link.clone())
        .want("token_keys", keys_link.clone());
    let readiness = own_events.watched(readiness, &mut collectors);
    let checks = directory.map(|directory| Arc::new(Checks::new(directory, config.request_deadline)));
    let accounting = http::Accounting {
        batcher: batcher.clone(),
        store: Arc::clone(&store),
        waiting: http::Waiting::new(
            batcher.arrivals(),
            lifecycle.clone(),
            (config.request_deadline, config.max_in_flight),
        ),
        newcomers: http::Newcomers { by_default: config.on_unknown_user, checks },
        lifecycle: lifecycle.clone(),
        dead_letters: broker.dead_letters(),
    };
    lifecycle.spawn_worker(Queues::new(broker).run(lifecycle.worker_token()));
    let (router, document) = http::routes(accounting);
    let tokens = &config.tokens;
    let keys = RemoteKeys::new(tokens.jwks_url.clone(), keys_link)?;
    let verifier = Verifier::new(
        Arc::new(keys.clone()),
        tokens.issuer.clone(),
        tokens.audience.clone(),
        Arc::clone(&clock),
    );
    let shut_out = from_fn_with_state(Arc::clone(&store), http::shut_out::refuse);
    let router = guard(router.route_layer(shut_out), &document, Arc::new(verifier))?;
    let operations = Operations { readiness, metrics, collectors, lifecycle };
    let manners = Manners {
        service: "accounting",
        deadline: config.request_deadline,
        max_in_flight: config.max_in_flight,
    };
    let router = router.merge(operations.routes()).merge(documentation(document));
    let consumer = Consumer::new(subscriber, (store, batcher), link, clock);
    Ok(Service { router: polite(router, manners), keys, consumer, own_events })
}

struct StoreProbe(Arc<dyn LedgerStore>);

#[async_trait]
impl Probe for StoreProbe {
    async fn check(&self) -> Result<(), String> {
        self.0.ping().await.map_err(|error| error.to_string())
    }
}

fn count_placeholders(store: Arc<dyn LedgerStore>) -> Collector {
    Arc::new(move || {
        let store = Arc::clone(&store);
        Box::pin(async move {
            match tokio::try_join!(store.placeholders(), store.now()) {
                Ok((Placeholders { count, oldest_since }, now)) => {
                    let age = oldest_since.map_or(0.0, |since| (now - since).as_seconds_f64());
                    #[expect(clippy::cast_precision_loss, reason = "a count of rows stays below 2^52")]
                    metrics::gauge!("accounts_placeholder").set(count as f64);
                    metrics::gauge!("accounts_placeholder_oldest_age_seconds").set(age.max(0.0));
                }
                Err(error) => tracing::debug!(%error, "placeholders could not be counted"),
            }
        })
    })
}
