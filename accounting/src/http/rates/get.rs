//! `GET /v1/rates/{resource}`

use accrue_chassis::http::Path;
use accrue_chassis::problem_docs::{AnyProblem, NotFoundProblem, TokenProblem};
use axum::Json;
use axum::extract::State;

use super::{RateBody, check_resource, unknown_rate};
use crate::http::Accounting;
use crate::http::error::ApiError;

/// The rate of one resource
///
/// The version that is in force, and those that will be.
#[utoipa::path(
    get,
    path = "/v1/rates/{resource}",
    tag = "rates",
    params(("resource" = String, Path, description = "Of what.", min_length = 1, max_length = 100)),
    security(("token" = ["accounts:read"]), ("token" = ["usage:write"]), ("token" = ["rates:write"])),
    responses(
        (status = 200, description = "The rate.", body = RateBody),
        AnyProblem, TokenProblem, NotFoundProblem,
    )
)]
pub(in crate::http) async fn get(
    State(accounting): State<Accounting>,
    Path(resource): Path<String>,
) -> Result<Json<RateBody>, ApiError> {
    check_resource(&resource)?;
    let found = accounting.store.rate(&resource).await?.ok_or_else(unknown_rate)?;
    Ok(Json(found.into()))
}
