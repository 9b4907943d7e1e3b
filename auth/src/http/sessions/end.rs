//! `DELETE /v1/users/me/sessions/{session_id}`: one session ends.

use accrue_chassis::http::{Path, SECURITY_LOG};
use accrue_chassis::problem::Problem;
use accrue_chassis::problem_docs::{AnyProblem, NotFoundProblem, TokenProblem};
use accrue_chassis::tokens::Caller;
use axum::extract::State;
use axum::http::StatusCode;
use uuid::Uuid;

use super::user_id;
use crate::http::App;
use crate::http::error::ApiError;

/// End one of my sessions
#[utoipa::path(
    delete,
    path = "/v1/users/me/sessions/{session_id}",
    tag = "sessions",
    params(("session_id" = String, Path, description = "Which session.")),
    security(("owner" = [])),
    responses((status = 204, description = "It has ended."), AnyProblem, TokenProblem, NotFoundProblem)
)]
pub(in crate::http) async fn end(
    State(app): State<App>,
    caller: Caller,
    Path(session_id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let user_id = user_id(&caller)?;
    let unknown = || Problem::not_found("session_not_found", "You have no such session.");
    let session_id = Uuid::parse_str(&session_id).map_err(|_| unknown())?;
    if !app.store.end_session(user_id, session_id).await? {
        return Err(unknown().into());
    }
    tracing::info!(target: SECURITY_LOG, event = "session_ended", user_id, %session_id);
    Ok(StatusCode::NO_CONTENT)
}
