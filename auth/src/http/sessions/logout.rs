//! `POST /v1/logout`: the session that asks ends.

use accrue_chassis::http::SECURITY_LOG;
use accrue_chassis::problem_docs::{AnyProblem, TokenProblem};
use accrue_chassis::tokens::Caller;
use axum::extract::State;
use axum::http::StatusCode;

use super::{session_id, user_id};
use crate::http::App;
use crate::http::error::ApiError;

/// Sign out
///
/// The refresh token is worth nothing from now on; the access token that is out is
/// good until it expires.
#[utoipa::path(
    post,
    path = "/v1/logout",
    tag = "sessions",
    security(("owner" = [])),
    responses((status = 204, description = "The session has ended, now or before."), AnyProblem, TokenProblem)
)]
pub(in crate::http) async fn logout(State(app): State<App>, caller: Caller) -> Result<StatusCode, ApiError> {
    let user_id = user_id(&caller)?;
    if let Some(session_id) = session_id(&caller) {
        app.store.end_session(user_id, session_id).await?;
        tracing::info!(target: SECURITY_LOG, event = "signed_out", user_id, %session_id);
    }
    Ok(StatusCode::NO_CONTENT)
}
