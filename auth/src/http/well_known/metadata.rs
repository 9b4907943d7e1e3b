//! `GET /.well-known/oauth-authorization-server`: what we offer, for OAuth libraries
//! (RFC 8414).

use accrue_chassis::http::OWNER_SCOPE;
use accrue_chassis::problem_docs::AnyProblem;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::known_scopes;
use crate::http::App;

/// What this authorization server offers.
#[derive(Serialize, ToSchema)]
#[schema(as = AuthorizationServer)]
pub(in crate::http) struct Metadata {
    #[schema(example = "https://auth.example.com")]
    issuer: String,
    token_endpoint: String,
    revocation_endpoint: String,
    jwks_uri: String,
    /// Those of services, and `me`, which every user's token has and no service gets.
    scopes_supported: Vec<String>,
    /// `none`: there is no authorization endpoint, and the list may not be empty (section 3.2).
    response_types_supported: [&'static str; 1],
    grant_types_supported: [&'static str; 2],
    token_endpoint_auth_methods_supported: [&'static str; 3],
    revocation_endpoint_auth_methods_supported: [&'static str; 3],
    service_documentation: String,
}

const AUTH_METHODS: [&str; 3] = ["client_secret_basic", "client_secret_post", "none"];

/// What OAuth libraries need to know
#[utoipa::path(
    get,
    path = "/.well-known/oauth-authorization-server",
    tag = "discovery",
    security(()),
    responses((status = 200, description = "The metadata.", body = Metadata), AnyProblem)
)]
pub(in crate::http) async fn metadata(State(app): State<App>) -> Response {
    let issuer = app.tokens.name();
    let metadata = Metadata {
        issuer: issuer.to_owned(),
        token_endpoint: format!("{issuer}/oauth2/token"),
        revocation_endpoint: format!("{issuer}/oauth2/revoke"),
        jwks_uri: format!("{issuer}/.well-known/jwks.json"),
        scopes_supported: known_scopes().iter().chain([OWNER_SCOPE]).map(str::to_owned).collect(),
        response_types_supported: ["none"],
        grant_types_supported: ["client_credentials", "refresh_token"],
        token_endpoint_auth_methods_supported: AUTH_METHODS,
        revocation_endpoint_auth_methods_supported: AUTH_METHODS,
        service_documentation: format!("{issuer}/docs"),
    };
    ([(header::CACHE_CONTROL, "public, max-age=300")], axum::Json(metadata)).into_response()
}
