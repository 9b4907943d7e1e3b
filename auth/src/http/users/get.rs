//! `GET /v1/users/{user_id}`: one user.

use accrue_chassis::http::Path;
use accrue_chassis::problem_docs::{AnyProblem, NotFoundProblem, TokenProblem};
use accrue_chassis::tokens::Caller;
use accrue_events::user::is_valid_user_id;
use axum::Json;
use axum::extract::State;

use super::admin::{USERS_ADMIN, acting};
use super::{UserBody, apply, problems};
use crate::http::App;
use crate::http::error::ApiError;

/// One user
///
/// A user sees only themselves. Of a deleted user admins see that there was one.
#[utoipa::path(
    get,
    path = "/v1/users/{user_id}",
    tag = "users",
    params(("user_id" = String, Path, description = "Who.", min_length = 1, max_length = 50)),
    security(("owner" = []), ("token" = ["users:admin"])),
    responses(
        (status = 200, description = "The user.", body = UserBody),
        AnyProblem, TokenProblem, NotFoundProblem,
    )
)]
pub(in crate::http) async fn get(
    State(app): State<App>,
    caller: Caller,
    Path(user_id): Path<String>,
) -> Result<Json<UserBody>, ApiError> {
    // An id that no user can have is not worth a question to the database.
    let found = if is_valid_user_id(&user_id) { app.store.user(&user_id).await? } else { None };
    let user = found.ok_or_else(problems::not_found)?;
    if caller.scopes.contains(USERS_ADMIN) {
        acting(&app, &caller).await?;
    } else {
        apply::alive(&user)?;
    }
    Ok(Json(UserBody::from(&user)))
}
