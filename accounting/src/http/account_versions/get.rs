//! `GET /v1/account-versions/{user_id}`

use accrue_chassis::http::Path;
use accrue_chassis::problem_docs::{AnyProblem, NotFoundProblem, TokenProblem};
use axum::Json;
use axum::extract::State;

use super::AccountVersionBody;
use crate::http::Accounting;
use crate::http::accounts::readable;
use crate::http::error::ApiError;

/// What of one user is known here
#[utoipa::path(
    get,
    path = "/v1/account-versions/{user_id}",
    tag = "account-versions",
    params(("user_id" = String, Path, description = "Whose account.", min_length = 1, max_length = 50)),
    security(("token" = ["events:admin"])),
    responses(
        (status = 200, description = "What is known.", body = AccountVersionBody),
        AnyProblem, TokenProblem, NotFoundProblem,
    )
)]
pub(in crate::http) async fn get(
    State(accounting): State<Accounting>,
    Path(id): Path<String>,
) -> Result<Json<AccountVersionBody>, ApiError> {
    Ok(Json(readable(&accounting, &id).await?.into()))
}
