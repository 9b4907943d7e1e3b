//! `POST /oauth2/revoke`: a refresh token is given back (RFC 7009).

use accrue_chassis::http::{Form, SECURITY_LOG};
use accrue_chassis::problem::Problem;
use accrue_chassis::problem_docs::ProblemBody;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use utoipa::ToSchema;

use super::client::{self, Asking};
use super::error::{OAuthError, OAuthErrorBody, read};
use crate::domain::{PresentedToken, Standing};
use crate::http::App;

/// The fields of a revocation.
#[derive(ToSchema)]
#[schema(as = RevocationRequest, example = json!({"token": "AZtYc2V2ZW50eSBieXRlcw…"}))]
#[expect(dead_code, reason = "it describes the fields of a form, which are read by name")]
pub(in crate::http) struct RevocationRequest {
    /// A refresh token.
    token: String,
    /// What it is said to be; not needed.
    token_type_hint: Option<String>,
    /// Where the client is not authenticated by HTTP Basic.
    client_id: Option<String>,
    /// Where the client is not authenticated by HTTP Basic.
    client_secret: Option<String>,
}

/// Revoke a refresh token
///
/// Its whole session ends. A token that is none, or no longer, is revoked already.
/// Access tokens cannot be revoked: they are good until they expire.
#[utoipa::path(
    post,
    path = "/oauth2/revoke",
    tag = "oauth",
    request_body(content = RevocationRequest, content_type = "application/x-www-form-urlencoded"),
    security(()),
    responses(
        (status = 200, description = "It is worth nothing now."),
        (status = 400, description = "The request is not good.", body = OAuthErrorBody),
        (status = 401, description = "The client is not who it says.", body = OAuthErrorBody),
        (status = 500, description = "Something failed on our side.", body = ProblemBody,
         content_type = "application/problem+json"),
        (status = 503, description = "Overloaded, or a database is out of reach.", body = ProblemBody,
         content_type = "application/problem+json"),
    )
)]
pub(in crate::http) async fn revoke(
    State(app): State<App>,
    headers: HeaderMap,
    form: Result<Form, Problem>,
) -> Result<StatusCode, OAuthError> {
    let form = read(form)?;
    let asking = client::identify(&app, &headers, &form).await?;
    let token = form.get("token")?;
    let token = token.ok_or_else(|| OAuthError::invalid_request("Give the field token."))?;
    // No service was ever given a refresh token.
    if let (Asking::FirstParty, Some(token)) = (asking, PresentedToken::parse(token)) {
        end(&app, &token).await?;
    }
    Ok(StatusCode::OK)
}

async fn end(app: &App, token: &PresentedToken) -> Result<(), OAuthError> {
    let Some(session) = app.store.session(token.session_id).await? else {
        return Ok(());
    };
    if session.standing(token, app.clock.now()) != Standing::Unknown {
        app.store.end_session(&session.user_id, session.session_id).await?;
        let (user_id, session_id) = (session.user_id, session.session_id);
        tracing::info!(target: SECURITY_LOG, event = "session_revoked", user_id, %session_id);
    }
    Ok(())
}
