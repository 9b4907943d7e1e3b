//! What runs a service: a listener at once, the store as soon as it can be had, a
//! graceful end.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use accrue_chassis::backoff::Backoff;
use accrue_chassis::health::Link;
use accrue_chassis::http::{Doorway, Manners, serve};
use accrue_chassis::lifecycle::{Lifecycle, termination_signal};
use accrue_chassis::{telemetry, traces};
use anyhow::Context as _;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;

/// Between readiness dropping and the listener closing.
const ANNOUNCEMENT: Duration = Duration::from_millis(250);
/// For what is in flight; with the announcement below the five seconds that a
/// shutdown may take.
const DRAIN_LIMIT: Duration = Duration::from_millis(4_250);
/// For spans that wait for a collector, when all else has ended: what is left of that
/// time, and this at least; but a collector that does not answer is not waited for as long.
const FLUSH_LIMITS: (Duration, Duration) = (Duration::from_millis(300), Duration::from_secs(2));
/// How often collected metrics are folded up while nobody reads them.
const METRICS_UPKEEP: Duration = Duration::from_secs(5);

/// A process that services run in.
pub(crate) struct Host {
    pub(crate) lifecycle: Lifecycle,
    pub(crate) metrics: PrometheusHandle,
}

/// Why a store could not be opened: whether to try again.
pub(crate) enum OpenFailure {
    /// No try will succeed.
    Final(anyhow::Error),
    /// The server is away or not ready; the text may be shown.
    Passing(anyhow::Error),
}

impl Host {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let metrics = telemetry::init_metrics().context("metrics could not be set up")?;
        let lifecycle = Lifecycle::new();
        let (upkeep, stop) = (metrics.clone(), lifecycle.worker_token());
        lifecycle.spawn_worker(async move {
            while tokio::time::timeout(METRICS_UPKEEP, stop.cancelled()).await.is_err() {
                upkeep.run_upkeep();
            }
        });
        Ok(Self { lifecycle, metrics })
    }

    /// Binds `address` and begins to serve: a door that is closed until it is opened.
    pub(crate) async fn listen(
        &self,
        manners: Manners,
        address: SocketAddr,
        database: Link,
    ) -> anyhow::Result<(SocketAddr, Doorway)> {
        let service = manners.service;
        let listener = TcpListener::bind(address).await.with_context(|| {
            format!(
                "{service} cannot listen on {address}; is it in use? \
                 {}_LISTEN names another address",
                service.to_uppercase()
            )
        })?;
        let bound = listener.local_addr()?;
        let doorway = Doorway::new(manners, database);
        self.lifecycle.spawn_request(serve(listener, doorway.router(), self.lifecycle.clone()));
        tracing::info!(service, address = %bound, "listening");
        Ok((bound, doorway))
    }

    /// Opens a store, as often as it takes; nothing if the process is told to stop first.
    pub(crate) async fn open_store<T>(
        &self,
        service: &'static str,
        database: &Link,
        open: impl AsyncFn() -> Result<T, OpenFailure>,
    ) -> anyhow::Result<Option<T>> {
        let mut backoff = Backoff::for_reconnect();
        loop {
            let opened = tokio::select! {
                () = self.lifecycle.stopping() => return Ok(None),
                opened = open() => opened,
            };
            match opened {
                Ok(store) => return Ok(Some(store)),
                Err(OpenFailure::Final(error)) => return Err(error),
                Err(OpenFailure::Passing(error)) => {
                    tracing::warn!(service, "the database cannot be used yet, will try again: {error:#}");
                    database.down(error.to_string());
                }
            }
            tokio::select! {
                () = self.lifecycle.stopping() => return Ok(None),
                () = tokio::time::sleep(backoff.next_wait()) => {}
            }
        }
    }

    /// Has Ctrl-C and SIGTERM end the process: gracefully, or at once the second time.
    pub(crate) fn stop_on_signal(&self) {
        let lifecycle = self.lifecycle.clone();
        self.lifecycle.spawn_worker(async move {
            let told = tokio::select! {
                told = termination_signal() => told,
                () = lifecycle.stopping() => return,
            };
            if let Err(error) = told {
                tracing::warn!(%error, "signals cannot be received; only kill -9 will stop this process");
                return;
            }
            tracing::info!("stopping");
            lifecycle.announce_stop();
            tokio::select! {
                () = tokio::time::sleep(ANNOUNCEMENT) => lifecycle.stop(),
                _ = termination_signal() => std::process::exit(130),
            }
            let drained = lifecycle.worker_token();
            tokio::select! {
                () = drained.cancelled() => {}
                _ = termination_signal() => std::process::exit(130),
            }
        });
    }

    /// Waits until the process is told to stop, and ends what runs in it.
    pub(crate) async fn run_until_stopped(&self) -> ExitCode {
        self.lifecycle.stopping().await;
        self.drain().await;
        if self.lifecycle.has_failed() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }

    /// Ends what runs. What does not end in time loses nothing that was acknowledged.
    pub(crate) async fn drain(&self) {
        let begun = Instant::now();
        if self.lifecycle.drain(DRAIN_LIMIT).await {
            tracing::info!("stopped");
        } else {
            tracing::warn!("stopped before everything in flight was done; nothing acknowledged is lost");
        }
        let (least, most) = FLUSH_LIMITS;
        traces::flush(DRAIN_LIMIT.saturating_sub(begun.elapsed()).clamp(least, most)).await;
    }
}
