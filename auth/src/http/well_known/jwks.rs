//! `GET /.well-known/jwks.json`: the keys that verify our tokens (RFC 7517).

use accrue_chassis::problem_docs::AnyProblem;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::Value;
use utoipa::ToSchema;

use crate::http::App;
use crate::http::error::ApiError;
use crate::tokens::JWKS_MAX_AGE_S;

/// A JWK set (RFC 7517).
#[derive(ToSchema)]
#[schema(as = JwkSet, example = json!({"keys": [{
    "use": "sig", "alg": "ES256", "kid": "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs", "kty": "EC",
    "crv": "P-256", "x": "…", "y": "…",
}]}))]
#[expect(dead_code, reason = "it describes what the crate that knows JWKs writes")]
pub(in crate::http) struct JwkSetBody {
    /// The keys: some sign, some will, some did.
    keys: Vec<Value>,
}

/// The keys that verify access tokens
///
/// A key is here for a while before it signs, and until the last token that it has
/// signed has expired. Keep them for as long as `Cache-Control` says.
#[utoipa::path(
    get,
    path = "/.well-known/jwks.json",
    tag = "discovery",
    security(()),
    responses(
        (status = 200, description = "The keys.", body = JwkSetBody,
         headers(("Cache-Control" = String, description = "How long they may be kept."))),
        AnyProblem,
    )
)]
pub(in crate::http) async fn jwks(State(app): State<App>) -> Result<Response, ApiError> {
    let keys = app.tokens.ring().published().await?;
    let mut response = axum::Json(keys).into_response();
    let max_age = HeaderValue::from_str(&format!("public, max-age={JWKS_MAX_AGE_S}"));
    if let Ok(max_age) = max_age {
        response.headers_mut().insert(header::CACHE_CONTROL, max_age);
    }
    Ok(response)
}
