//! OAuth's endpoints, which speak OAuth: forms in, RFC 6749's errors out.

mod client;
mod error;
mod refresh;
mod revoke;
mod service;
mod token;

use axum::Json;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(token::token)).routes(routes!(revoke::revoke))
}

/// A reply that nobody may keep (RFC 6749, section 5.1).
fn uncached(body: impl Serialize) -> Response {
    let mut response = Json(body).into_response();
    forbid_caching(&mut response);
    response
}

fn forbid_caching(response: &mut Response) {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
}
