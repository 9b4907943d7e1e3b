//! `GET /v1/user-versions/{user_id}`: how far one user has come.

use accrue_chassis::http::Path;
use accrue_chassis::problem_docs::{AnyProblem, NotFoundProblem, TokenProblem};
use accrue_chassis::tokens::Caller;
use accrue_events::user::is_valid_user_id;
use axum::Json;
use axum::extract::State;

use super::UserVersionBody;
use crate::http::App;
use crate::http::error::ApiError;
use crate::http::users::admin::{EVENTS_ADMIN, acting_by};
use crate::http::users::problems;
use crate::store::UserVersion;

/// How far one user has come
#[utoipa::path(
    get,
    path = "/v1/user-versions/{user_id}",
    tag = "events",
    params(("user_id" = String, Path, description = "Who.", min_length = 1, max_length = 50)),
    security(("token" = ["events:admin"])),
    responses(
        (status = 200, description = "The user, or their tombstone.", body = UserVersionBody),
        AnyProblem, TokenProblem, NotFoundProblem,
    )
)]
pub(in crate::http) async fn get(
    State(app): State<App>,
    caller: Caller,
    Path(user_id): Path<String>,
) -> Result<Json<UserVersionBody>, ApiError> {
    acting_by(&app, &caller, EVENTS_ADMIN).await?;
    let found = if is_valid_user_id(&user_id) { app.store.user(&user_id).await? } else { None };
    let user = found.ok_or_else(problems::not_found)?;
    let (version, status) = (user.version, user.status);
    Ok(Json(UserVersion { user_id: user.user_id, version, status }.into()))
}
