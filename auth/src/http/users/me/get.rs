//! `GET /v1/users/me`: who I am.

use accrue_chassis::problem_docs::{AnyProblem, NotFoundProblem, TokenProblem};
use accrue_chassis::tokens::Caller;
use axum::Json;
use axum::extract::State;

use super::{active, user_id};
use crate::http::App;
use crate::http::error::ApiError;
use crate::http::users::{UserBody, problems};

/// Who I am
#[utoipa::path(
    get,
    path = "/v1/users/me",
    tag = "me",
    security(("owner" = [])),
    responses(
        (status = 200, description = "The user who asks.", body = UserBody),
        AnyProblem, TokenProblem, NotFoundProblem,
    )
)]
pub(in crate::http) async fn get(State(app): State<App>, caller: Caller) -> Result<Json<UserBody>, ApiError> {
    let user = app.store.user(user_id(&caller)?).await?.ok_or_else(problems::not_found)?;
    Ok(Json(UserBody::from(active(&user)?)))
}
