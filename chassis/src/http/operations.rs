//! The routes that operators and orchestrators ask: liveness, readiness, metrics.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusHandle;

use crate::health::Readiness;
use crate::lifecycle::Lifecycle;

/// Sets gauges that only a look at a store can tell, when metrics are read.
pub type Collector = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// A store that does not answer must not hold up the metrics of the rest.
const COLLECT_LIMIT: Duration = Duration::from_secs(2);

/// What the operations routes look at.
#[derive(Clone)]
pub struct Operations {
    /// What readiness depends on.
    pub readiness: Readiness,
    /// Where this process's metrics are kept.
    pub metrics: PrometheusHandle,
    /// Run before metrics are shown.
    pub collectors: Vec<Collector>,
    /// Says when the process is stopping.
    pub lifecycle: Lifecycle,
}

impl Operations {
    /// `/healthz/live`, `/healthz/ready` and `/metrics`.
    pub fn routes(self) -> Router {
        Router::new()
            .route("/healthz/live", get(live))
            .route("/healthz/ready", get(ready))
            .route("/metrics", get(show_metrics))
            .with_state(self)
    }
}

async fn live() -> Response {
    axum::Json(serde_json::json!({"status": "live"})).into_response()
}

async fn ready(State(operations): State<Operations>) -> Response {
    let report = operations.readiness.report(operations.lifecycle.is_stopping()).await;
    let status =
        if report.status == "unavailable" { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    (status, axum::Json(report)).into_response()
}

async fn show_metrics(State(operations): State<Operations>) -> Response {
    // A task of its own: a scraper that hangs up must not cut a driver's call in two.
    let collected = operations.lifecycle.run_to_end(async move {
        let all = futures_util::future::join_all(operations.collectors.iter().map(|collect| collect()));
        if tokio::time::timeout(COLLECT_LIMIT, all).await.is_err() {
            tracing::warn!("some metrics could not be read from their store in time");
        }
        operations.metrics.render()
    });
    match collected.await {
        Ok(text) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response(),
        Err(_) => crate::problem::Problem::internal().into_response(),
    }
}
