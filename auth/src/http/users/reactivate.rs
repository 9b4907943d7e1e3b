//! `POST /v1/users/{user_id}/reactivate`: an admin lets a user in again.

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

/// Let a user in again
///
/// They sign in with the password that they had.
#[utoipa::path(
    post,
    path = "/v1/users/{user_id}/reactivate",
    tag = "users",
    params(("user_id" = String, Path, description = "Whom.", min_length = 1, max_length = 50)),
    security(("token" = ["users:admin"])),
    responses(
        (status = 200, description = "The user, let in.", body = UserBody),
        (status = 409, description = "`user_changed`: others were faster each time.",
         body = ProblemBody, content_type = "application/problem+json"),
        AnyProblem, TokenProblem, NotFoundProblem,
    )
)]
pub(in crate::http) async fn reactivate(
    State(app): State<App>,
    caller: Caller,
    Path(user_id): Path<String>,
    trace: TraceContext,
) -> Result<Json<UserBody>, ApiError> {
    let actor = admin::acting(&app, &caller).await?;
    let user = apply(&app, &user_id, &trace, |user| {
        let edit = Edit::of(alive(user)?);
        Ok(if user.status == UserStatus::Active { edit } else { edit.reactivate() })
    })
    .await?;
    admin::log("user_reactivated", &actor, &user_id);
    Ok(Json(UserBody::from(&user)))
}
