//! `DELETE /v1/users/{user_id}`: an admin erases a user.

use accrue_chassis::http::{Path, TraceContext};
use accrue_chassis::problem::Problem;
use accrue_chassis::problem_docs::{AnyProblem, NotFoundProblem, ProblemBody, TokenProblem};
use accrue_chassis::tokens::Caller;
use accrue_events::user::UserStatus;
use axum::extract::State;
use axum::http::StatusCode;

use super::admin;
use super::apply::apply;
use crate::domain::{Edit, User};
use crate::http::App;
use crate::http::error::ApiError;

/// Erase a user
///
/// The id stays, and everything personal goes: address, names, password, sessions,
/// events that wait. The address is free to register again.
#[utoipa::path(
    delete,
    path = "/v1/users/{user_id}",
    tag = "users",
    params(("user_id" = String, Path, description = "Whom.", min_length = 1, max_length = 50)),
    security(("token" = ["users:admin"])),
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
    Path(user_id): Path<String>,
    trace: TraceContext,
) -> Result<StatusCode, ApiError> {
    let actor = admin::acting(&app, &caller).await?;
    erase(&app, &user_id, &trace, |_| Ok(())).await?;
    admin::log("user_deleted", &actor, &user_id);
    Ok(StatusCode::NO_CONTENT)
}

/// Leaves a tombstone of the user, if they `may` be erased as they are now. Done twice it
/// is done once.
pub(super) async fn erase(
    app: &App,
    user_id: &str,
    trace: &TraceContext,
    may: impl Fn(&User) -> Result<(), Problem> + Sync,
) -> Result<(), ApiError> {
    apply(app, user_id, trace, |user| {
        let edit = Edit::of(user);
        if user.status == UserStatus::Deleted {
            return Ok(edit);
        }
        may(user)?;
        Ok(edit.erase())
    })
    .await?;
    // Not one of them is good any more; they go for what they tell of devices. Whoever
    // is told that this failed asks again, and it is done then.
    app.store.end_sessions(user_id, None).await?;
    Ok(())
}
