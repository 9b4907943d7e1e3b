//! `POST /v1/users/{user_id}/deactivate`: an admin shuts a user out.

use accrue_chassis::http::{Path, TraceContext};
use accrue_chassis::problem_docs::{AnyProblem, NotFoundProblem, ProblemBody, TokenProblem};
use accrue_chassis::tokens::Caller;
use accrue_events::user::UserStatus;
use axum::Json;
use axum::extract::State;

use super::apply::{alive, apply};
use super::{UserBody, admin};
use crate::domain::Edit;
use crate::http::App;
use crate::http::error::ApiError;

/// Shut a user out
///
/// Their sessions end at once, their access tokens within 15 minutes. accounting
/// suspends the account when the event is in.
#[utoipa::path(
    post,
    path = "/v1/users/{user_id}/deactivate",
    tag = "users",
    params(("user_id" = String, Path, description = "Whom.", min_length = 1, max_length = 50)),
    security(("token" = ["users:admin"])),
    responses(
        (status = 200, description = "The user, shut out.", body = UserBody),
        (status = 409, description = "`last_admin`, or `user_changed`: others were faster each time.",
         body = ProblemBody, content_type = "application/problem+json"),
        AnyProblem, TokenProblem, NotFoundProblem,
    )
)]
pub(in crate::http) async fn deactivate(
    State(app): State<App>,
    caller: Caller,
    Path(user_id): Path<String>,
    trace: TraceContext,
) -> Result<Json<UserBody>, ApiError> {
    let actor = admin::acting(&app, &caller).await?;
    let user = apply(&app, &user_id, &trace, |user| {
        let edit = Edit::of(alive(user)?);
        Ok(if user.status == UserStatus::Deactivated { edit } else { edit.deactivate() })
    })
    .await?;
    admin::log("user_deactivated", &actor, &user_id);
    Ok(Json(UserBody::from(&user)))
}
