//! `DELETE /v1/users/me`: I leave.

use accrue_chassis::http::TraceContext;
use accrue_chassis::problem_docs::{AnyProblem, NotFoundProblem, ProblemBody, TokenProblem};
use accrue_chassis::tokens::Caller;
use axum::extract::State;
use axum::http::StatusCode;

use super::{active, session, user_id};
use crate::http::App;
use crate::http::error::ApiError;
use crate::http::users::{admin, delete::erase, problems};

/// Leave
///
/// The id stays, and everything personal goes: address, names, password, sessions,
/// events that wait. The address is free to register again. The session has to be there
/// still: an access token that outlives it, after signing out or another password, is 401.
#[utoipa::path(
    delete,
    path = "/v1/users/me",
    tag = "me",
    security(("owner" = [])),
    responses(
        (status = 204, description = "The user is gone."),
        (status = 409, description = "`last_admin`, or `user_changed`: others were faster each time.",
         body = ProblemBody, content_type = "application/problem+json"),
        AnyProblem, TokenProblem, NotFoundProblem,
    )
)]
pub(in crate::http) async fn delete(
    State(app): State<App>,
    caller: Caller,
    trace: TraceContext,
) -> Result<StatusCode, ApiError> {
    let user_id = user_id(&caller)?;
    let session = session(&app, &caller).await?;
    let now = app.clock.now();
    // Nothing else is as final: a token that outlives its session is not enough for it.
    erase(&app, user_id, &trace, |user| {
        let epoch = active(user)?.session_epoch;
        let is_good = session.as_ref().is_some_and(|session| session.is_good(epoch, now));
        if is_good { Ok(()) } else { Err(problems::session_ended()) }
    })
    .await?;
    admin::log("user_deleted", &caller.actor(), user_id);
    Ok(StatusCode::NO_CONTENT)
}
