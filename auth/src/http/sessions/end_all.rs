//! `DELETE /v1/users/me/sessions`: every session ends, or every other one.

use accrue_chassis::http::{Query, SECURITY_LOG};
use accrue_chassis::problem_docs::{AnyProblem, TokenProblem};
use accrue_chassis::tokens::Caller;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;

use super::{session_id, user_id};
use crate::http::App;
use crate::http::error::ApiError;

/// Which sessions to end. What is misspelled must not end them all.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct Which {
    /// Keep the session that asks.
    #[serde(default)]
    except_current: bool,
}

/// End all my sessions, or all others
#[utoipa::path(
    delete,
    path = "/v1/users/me/sessions",
    tag = "sessions",
    params(Which),
    security(("owner" = [])),
    responses((status = 204, description = "They have ended."), AnyProblem, TokenProblem)
)]
pub(in crate::http) async fn end_all(
    State(app): State<App>,
    caller: Caller,
    Query(which): Query<Which>,
) -> Result<StatusCode, ApiError> {
    let user_id = user_id(&caller)?;
    let except = if which.except_current { session_id(&caller) } else { None };
    let ended = app.store.end_sessions(user_id, except).await?;
    tracing::info!(target: SECURITY_LOG, event = "sessions_ended", user_id, ended);
    Ok(StatusCode::NO_CONTENT)
}
