//! `POST /oauth2/token`: an access token, for a service or for the next while of a session.

use accrue_chassis::http::Form;
use accrue_chassis::problem::Problem;
use accrue_chassis::problem_docs::ProblemBody;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use utoipa::ToSchema;

use super::error::{OAuthError, OAuthErrorBody, read};
use super::{client, refresh, service};
use crate::http::App;

/// The fields of a request for a token.
#[derive(ToSchema)]
#[schema(as = TokenRequest, example = json!({"grant_type": "client_credentials", "scope": "credits:write"}))]
#[expect(dead_code, reason = "it describes the fields of a form, which are read by name")]
pub(in crate::http) struct TokenRequest {
    /// `client_credentials` or `refresh_token`.
    grant_type: String,
    /// Part of what the client, or with `refresh_token` the user, may do, words with blanks
    /// between; without it all of that.
    scope: Option<String>,
    /// With `refresh_token`: that token.
    refresh_token: Option<String>,
    /// Where the client is not authenticated by HTTP Basic.
    client_id: Option<String>,
    /// Where the client is not authenticated by HTTP Basic.
    client_secret: Option<String>,
}

/// A token.
#[derive(serde::Serialize, ToSchema)]
#[schema(as = Token, example = json!({
    "access_token": "eyJ0eXAiOiJhdCtqd3QiLCJhbGciOiJFUzI1NiIsImtpZCI6IuKApiJ9…", "token_type": "Bearer",
    "expires_in": 900, "scope": "credits:write",
}))]
pub(in crate::http) struct TokenBody {
    /// For the `Authorization` header of every request: `Bearer` and this.
    pub(super) access_token: String,
    /// `Bearer`.
    pub(super) token_type: &'static str,
    /// How long the access token is good, in seconds.
    pub(super) expires_in: u32,
    /// What it allows.
    pub(super) scope: String,
    /// For the next access token; the one that was sent is used up. Not for services.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) refresh_token: Option<String>,
    /// Whose session it is. Not for services.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) user_id: Option<String>,
}

/// Get an access token
///
/// Services ask with `client_credentials`; clients of signed-in users exchange a
/// refresh token for an access token and the next refresh token. Of two exchanges of
/// one refresh token within ten seconds, one is refused and nothing else happens;
/// later, the session ends, because the token is in two hands.
#[utoipa::path(
    post,
    path = "/oauth2/token",
    tag = "oauth",
    request_body(content = TokenRequest, content_type = "application/x-www-form-urlencoded"),
    security(()),
    responses(
        (status = 200, description = "A token.", body = TokenBody),
        (status = 400, description = "The request or the grant is not good.", body = OAuthErrorBody),
        (status = 401, description = "The client is not who it says.", body = OAuthErrorBody),
        (status = 500, description = "Something failed on our side.", body = ProblemBody,
         content_type = "application/problem+json"),
        (status = 503, description = "Overloaded, or a database is out of reach.", body = ProblemBody,
         content_type = "application/problem+json"),
    )
)]
pub(in crate::http) async fn token(
    State(app): State<App>,
    headers: HeaderMap,
    form: Result<Form, Problem>,
) -> Result<Response, OAuthError> {
    let form = read(form)?;
    let grant = form.get("grant_type")?;
    let issued = match grant {
        Some("client_credentials") => {
            service::issue(&app, client::identify(&app, &headers, &form).await?, &form).await
        }
        Some("refresh_token") => {
            refresh::exchange(&app, &client::identify(&app, &headers, &form).await?, &form).await
        }
        Some(_) => Err(OAuthError::Refused {
            error: "unsupported_grant_type",
            description: "There are client_credentials and refresh_token.",
        }),
        None => Err(OAuthError::invalid_request("Give the field grant_type.")),
    };
    let outcome = match &issued {
        Ok(_) => "issued",
        Err(OAuthError::Refused { error, .. }) => error,
        Err(OAuthError::Failed(error)) => error.outcome(),
    };
    metrics::counter!("token_requests_total", "outcome" => outcome).increment(1);
    issued.map(super::uncached)
}
