//! `GET /v1/users/{user_id}`: one user.

use accrue_chassis::http::Path;
use accrue_chassis::problem_docs::{AnyProblem, NotFoundProblem};
use accrue_events::user::is_valid_user_id;
use axum::Json;
use axum::extract::State;

use super::{UserBody, apply, problems};
use crate::http::App;
use crate::http::error::ApiError;

/// One user
///
/// No token is asked for, as accounting asks for none unless it is told to: the port
/// belongs to those who may know an address.
#[utoipa::path(
    get,
    path = "/v1/users/{user_id}",
    tag = "users",
    params(("user_id" = String, Path, description = "Who.", min_length = 1, max_length = 50)),
    security(()),
    responses(
        (status = 200, description = "The user.", body = UserBody),
        AnyProblem, NotFoundProblem,
    )
)]
pub(in crate::http) async fn get(
    State(app): State<App>,
    Path(user_id): Path<String>,
) -> Result<Json<UserBody>, ApiError> {
    // An id that no user can have is not worth a question to the database.
    let found = if is_valid_user_id(&user_id) { app.store.user(&user_id).await? } else { None };
    let user = found.ok_or_else(problems::not_found)?;
    apply::alive(&user)?;
    Ok(Json(UserBody::from(&user)))
}
