//! The trace that a request belongs to: W3C `traceparent` in, `Request-Id` out.

use std::borrow::Cow;

use axum::extract::{FromRequestParts, MatchedPath, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};

use crate::traces::{Kind, Span, TraceContext};

/// What asks after a process over and over, and is no part of anybody's story.
const UNTRACED: [&str; 3] = ["/healthz/live", "/healthz/ready", "/metrics"];

/// The span of a request: a child of the `traceparent` that came with it.
pub(super) fn of_headers(headers: &HeaderMap) -> TraceContext {
    TraceContext::continuing(headers.get("traceparent").and_then(|value| value.to_str().ok()))
}

/// Begins the span of a request, if it is to be recorded. `method` is one of few words.
pub(super) fn begin(context: TraceContext, request: &Request, method: &'static str) -> Option<Span> {
    // The route's pattern, never the path or the query: those may name a person.
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    if route.is_some_and(|route| UNTRACED.contains(&route)) {
        return None;
    }
    let name = || match route {
        Some(route) => Cow::Owned(format!("{method} {route}")),
        None => Cow::Borrowed(method),
    };
    let mut span = Span::begin(context, Kind::Server, name)?;
    span.set("http.request.method", if method == "other" { "_OTHER" } else { method });
    if let Some(route) = route {
        span.set("http.route", route.to_owned());
    }
    Some(span)
}

/// Ends the span of a request that was answered with `status`. One whose caller went
/// away before has none.
pub(super) fn end(mut span: Span, status: StatusCode) {
    span.set("http.response.status_code", i64::from(status.as_u16()));
    if status.is_server_error() {
        span.fail(status.as_str().to_owned());
    }
}

impl<S: Send + Sync> FromRequestParts<S> for TraceContext {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(parts.extensions.get().copied().unwrap_or_else(|| of_headers(&parts.headers)))
    }
}
