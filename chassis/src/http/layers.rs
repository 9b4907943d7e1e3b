//! What is done to every request: identity, log, metrics, panics, overload, deadline.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderValue, StatusCode, Uri};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use tokio::sync::Semaphore;
use tower_http::catch_panic::CatchPanicLayer;
use tracing::Instrument as _;

use super::trace;
use crate::problem::Problem;
use crate::traces::{Span, scope};

/// How a service treats its callers.
#[derive(Debug, Clone, Copy)]
pub struct Manners {
    /// The service's name in logs and metrics.
    pub service: &'static str,
    /// Every request is answered within this time.
    pub deadline: Duration,
    /// Requests answered at once; what comes on top is refused with 503.
    pub max_in_flight: usize,
}

/// Gives every route of `router`, and what matches none, the manners of our services.
pub fn polite(router: Router, manners: Manners) -> Router {
    let places = Semaphore::new(manners.max_in_flight);
    let house = Arc::new(House { manners, places });
    router
        .fallback(unknown_path)
        .method_not_allowed_fallback(wrong_method)
        .layer(CatchPanicLayer::custom(|_| {
            tracing::error!("a request handler panicked");
            Problem::internal().into_response()
        }))
        // One layer, since each costs every request a few allocations.
        .layer(from_fn_with_state(house, identify))
}

struct House {
    manners: Manners,
    /// One for each request that may be answered at once.
    places: Semaphore,
}

async fn unknown_path(uri: Uri) -> Problem {
    Problem::not_found("unknown_path", format!("There is nothing at {}.", uri.path()))
}

async fn wrong_method(request: Request) -> Problem {
    let detail = format!(
        "{} does not take {}; the Allow header names what it takes.",
        request.uri().path(),
        request.method()
    );
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
}

async fn identify(State(house): State<Arc<House>>, mut request: Request, next: Next) -> Response {
    let trace = trace::of_headers(request.headers());
    let request_id = trace.trace_id();
    let told = tracing::info_span!("request", trace_id = request_id);
    request.extensions_mut().insert(trace);
    let span = trace::begin(trace, &request, known_method(request.method()));
    let observed = observe(&house, request, next).instrument(told);
    let mut response = scope(span.as_ref().map(Span::context), observed).await;
    if let Some(span) = span {
        trace::end(span, response.status());
    }
    if let Ok(request_id) = HeaderValue::try_from(request_id) {
        response.headers_mut().insert("request-id", request_id);
    }
    response
}

async fn observe(house: &House, request: Request, next: Next) -> Response {
    let service = house.manners.service;
    let route = request.extensions().get::<MatchedPath>().map_or("unmatched", MatchedPath::as_str).to_owned();
    let method = request.method().clone();
    let start = Instant::now();
    let response = refuse_overload(house, request, next).await;
    let elapsed = start.elapsed();
    let status = response.status();
    // The route's pattern, never the path or the query: those may name a person.
    if status.is_server_error() && status != StatusCode::SERVICE_UNAVAILABLE {
        tracing::error!(service, %method, route, status = status.as_u16(), "request failed");
    } else {
        tracing::debug!(service, %method, route, status = status.as_u16(), ?elapsed, "request");
    }
    let labels = [
        ("service", service.to_owned()),
        ("method", known_method(&method).to_owned()),
        ("route", route),
        ("status", status.as_str().to_owned()),
    ];
    metrics::histogram!("http_request_duration_seconds", &labels).record(elapsed.as_secs_f64());
    response
}

/// A caller can make up methods without end; a label must not grow with them.
fn known_method(method: &axum::http::Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

async fn refuse_overload(house: &House, request: Request, next: Next) -> Response {
    // Whoever asks after our health must learn it, above all when we are overloaded.
    let is_health_check = request.uri().path().starts_with("/healthz/");
    if is_health_check {
        return end_by_deadline(house, request, next).await;
    }
    match house.places.try_acquire() {
        Ok(_place) => end_by_deadline(house, request, next).await,
        Err(_) => Problem::unavailable("overloaded", "Too many requests at once; try again shortly.", 1)
            .into_response(),
    }
}

async fn end_by_deadline(house: &House, request: Request, next: Next) -> Response {
    tokio::time::timeout(house.manners.deadline, next.run(request)).await.unwrap_or_else(|_| {
        tracing::warn!(service = house.manners.service, "a request met its deadline");
        let detail = "The request was not finished in time. Whether it took effect is not known: \
                      send it again with the same Idempotency-Key to find out.";
        Problem::unavailable("deadline_exceeded", detail, 1).into_response()
    })
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::routing::get;
    use http_body_util::BodyExt as _;
    use serde_json::Value;
    use tower::ServiceExt as _;

    use super::*;

    async fn ask(method: &str, path: &str, max_in_flight: usize) -> (Response<()>, Value) {
        let manners = Manners { service: "test", deadline: Duration::from_millis(50), max_in_flight };
        let router = Router::new()
            .route("/ok", get(async || "fine"))
            .route("/panic", get(async || -> &'static str { panic!("on purpose") }))
            .route("/slow", get(std::future::pending::<&'static str>));
        let request = Request::builder().method(method).uri(path).body(Body::empty()).expect("a request");
        let response = polite(router, manners).oneshot(request).await.expect("an answer");
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.expect("a body").to_bytes();
        (Response::from_parts(parts, ()), serde_json::from_slice(&bytes).unwrap_or_default())
    }

    #[tokio::test]
    async fn every_error_is_a_problem_with_a_request_id() {
        for (method, path, places, status, code) in [
            ("GET", "/nowhere", 1, 404, "unknown_path"),
            ("POST", "/ok", 1, 405, "method_not_allowed"),
            ("GET", "/panic", 1, 500, "internal_error"),
            ("GET", "/slow", 1, 503, "deadline_exceeded"),
            ("GET", "/ok", 0, 503, "overloaded"),
        ] {
            let (response, body) = ask(method, path, places).await;
            assert_eq!(response.status().as_u16(), status, "{path}");
            assert_eq!(response.headers()["content-type"], "application/problem+json", "{path}");
            assert_eq!(response.headers()["request-id"].len(), 32, "{path}");
            assert_eq!(body["code"], code, "{path}");
            assert_eq!(response.headers().contains_key("retry-after"), status == 503, "{path}");
            assert_eq!(response.headers().contains_key("allow"), status == 405, "{path}");
        }
        assert_eq!(ask("GET", "/ok", 1).await.0.status(), 200);
    }
}
