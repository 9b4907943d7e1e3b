//! `GET /v1/users/{user_id}`: one user.

use accrue_chassis::http::Path;
use accrue_chassis::problem::Problem;
use accrue_events::user::is_valid_user_id;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};

use super::UserBody;
use crate::http::App;
use crate::http::error::ApiError;

pub(in crate::http) async fn get(
    State(app): State<App>,
    Path(user_id): Path<String>,
) -> Result<Response, ApiError> {
    // An id that no user can have is not worth a question to the database.
    let found = if is_valid_user_id(&user_id) { app.store.user(&user_id).await? } else { None };
    match found {
        Some(user) => Ok(axum::Json(UserBody::from(&user)).into_response()),
        None => Err(Problem::not_found("user_not_found", "There is no user with this id.").into()),
    }
}
