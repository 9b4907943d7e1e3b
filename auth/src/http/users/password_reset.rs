//! `POST /v1/users/{user_id}/password-reset`: an admin sends somebody a reset.

use accrue_chassis::http::Path;
use accrue_chassis::problem::Problem;
use accrue_chassis::problem_docs::{AnyProblem, NotFoundProblem, ProblemBody, TokenProblem};
use accrue_chassis::tokens::Caller;
use accrue_events::user::UserStatus;
use axum::extract::State;
use axum::http::StatusCode;

use super::apply::alive;
use super::{admin, problems};
use crate::http::App;
use crate::http::error::ApiError;

/// Send a user a mail to choose a new password
///
/// The password stays as it is until they do.
#[utoipa::path(
    post,
    path = "/v1/users/{user_id}/password-reset",
    tag = "users",
    params(("user_id" = String, Path, description = "Whom.", min_length = 1, max_length = 50)),
    security(("token" = ["users:admin"])),
    responses(
        (status = 202, description = "The mail is written, and on its way."),
        (status = 409, description = "`not_mailed`: the user has been deactivated, or no mail can be sent \
                                      from here.",
         body = ProblemBody, content_type = "application/problem+json"),
        AnyProblem, TokenProblem, NotFoundProblem,
    )
)]
pub(in crate::http) async fn send(
    State(app): State<App>,
    caller: Caller,
    Path(user_id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let actor = admin::acting(&app, &caller).await?;
    let user = app.store.user(&user_id).await?.ok_or_else(problems::not_found)?;
    let email = alive(&user)?.email.clone().ok_or_else(problems::not_found)?;
    let is_for = |other: &crate::domain::User| other.user_id == user.user_id;
    let is_posted = app.mailing.post(&app, &email, is_for, |composer| composer.reset(&email)).await?;
    if !is_posted {
        let detail = if user.status == UserStatus::Active {
            "No mail was written: auth has no mail server, or the user has just changed."
        } else {
            "The user has been deactivated; reactivate them first."
        };
        return Err(Problem::new(StatusCode::CONFLICT, "not_mailed", detail).into());
    }
    admin::log("password_reset_sent", &actor, &user_id);
    Ok(StatusCode::ACCEPTED)
}
