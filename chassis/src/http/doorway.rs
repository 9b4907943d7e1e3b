//! A service that listens before its store is open: alive, not ready, and saying why.

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, get};
use tower::ServiceExt as _;

use super::layers::{Manners, polite};
use crate::health::{Link, Readiness};
use crate::problem::Problem;

/// Stands in for a service until it is opened. Clones share one state.
#[derive(Clone)]
pub struct Doorway {
    opened: Arc<OnceLock<Router>>,
    closed: Router,
}

impl Doorway {
    /// A door that is closed. `database` says what the service waits for.
    #[must_use]
    pub fn new(manners: Manners, database: Link) -> Self {
        let closed = Router::new()
            .route("/healthz/live", get(async || axum::Json(serde_json::json!({"status": "live"}))))
            .route("/healthz/ready", get(not_ready))
            .route("/", any(starting))
            .route("/{*path}", any(starting))
            .with_state(database);
        Self { opened: Arc::default(), closed: polite(closed, manners) }
    }

    /// From now on every request goes to `service`. To be called once.
    pub fn open(&self, service: Router) {
        drop(self.opened.set(service));
    }

    /// The router to serve from the start.
    pub fn router(&self) -> Router {
        Router::new().fallback(enter).with_state(self.clone())
    }
}

async fn enter(State(doorway): State<Doorway>, request: Request) -> Response {
    let router = doorway.opened.get().unwrap_or(&doorway.closed).clone();
    router.oneshot(request).await.into_response()
}

async fn not_ready(State(database): State<Link>) -> Response {
    let mut report = Readiness::default().want("database", database).report(false).await;
    report.status = "unavailable";
    (StatusCode::SERVICE_UNAVAILABLE, axum::Json(report)).into_response()
}

async fn starting() -> Problem {
    Problem::unavailable("starting", "The service is still waiting for its database; try again.", 1)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::body::Body;

    use super::*;

    async fn status(router: &Router, path: &str) -> u16 {
        let request = Request::builder().uri(path).body(Body::empty()).expect("a request");
        router.clone().oneshot(request).await.expect("an answer").status().as_u16()
    }

    #[tokio::test]
    async fn says_that_it_is_not_ready_and_then_is() {
        let manners = Manners { service: "test", deadline: Duration::from_secs(1), max_in_flight: 8 };
        let doorway = Doorway::new(manners, Link::default());
        let router = doorway.router();
        for (path, expected) in [("/healthz/live", 200), ("/healthz/ready", 503), ("/", 503), ("/v1/x", 503)]
        {
            assert_eq!(status(&router, path).await, expected, "{path}");
        }
        let service = Router::new().route("/v1/x", get(async || "here"));
        doorway.open(polite(service, manners));
        assert_eq!(status(&router, "/v1/x").await, 200);
        assert_eq!(status(&router, "/v1/y").await, 404);
    }
}
