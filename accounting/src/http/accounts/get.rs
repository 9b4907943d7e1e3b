//! `GET /v1/accounts/{user_id}`

use accrue_chassis::http::Path;
use accrue_chassis::problem_docs::{AnyProblem, NotFoundProblem, TokenProblem};
use axum::Json;
use axum::extract::State;

use super::{AccountBody, readable};
use crate::http::Accounting;
use crate::http::error::ApiError;

/// One account
///
/// With what can be spent now: credits that have run out do not count.
#[utoipa::path(
    get,
    path = "/v1/accounts/{user_id}",
    tag = "accounts",
    params(("user_id" = String, Path, description = "Whose account.", min_length = 1, max_length = 50)),
    security(("token" = ["accounts:read"]), ("owner" = [])),
    responses(
        (status = 200, description = "The account.", body = AccountBody),
        AnyProblem, TokenProblem, NotFoundProblem,
    )
)]
pub(in crate::http) async fn get(
    State(accounting): State<Accounting>,
    Path(id): Path<String>,
) -> Result<Json<AccountBody>, ApiError> {
    Ok(Json(readable(&accounting, &id).await?.into()))
}
