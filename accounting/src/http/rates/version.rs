//! `GET /v1/rates/{resource}/versions/{version}`

use accrue_chassis::http::Path;
use accrue_chassis::problem::Problem;
use accrue_chassis::problem_docs::{AnyProblem, NotFoundProblem, TokenProblem};
use axum::Json;
use axum::extract::State;

use super::{RateVersionBody, check_resource};
use crate::http::Accounting;
use crate::http::error::ApiError;

/// One version of a rate
#[utoipa::path(
    get,
    path = "/v1/rates/{resource}/versions/{version}",
    tag = "rates",
    params(
        ("resource" = String, Path, description = "Of what.", min_length = 1, max_length = 100),
        ("version" = String, Path, description = "Which version: 1, 2, 3 …"),
    ),
    security(("token" = ["accounts:read"]), ("token" = ["usage:write"]), ("token" = ["rates:write"])),
    responses(
        (status = 200, description = "The version.", body = RateVersionBody),
        AnyProblem, TokenProblem, NotFoundProblem,
    )
)]
pub(in crate::http) async fn version(
    State(accounting): State<Accounting>,
    Path((resource, version)): Path<(String, String)>,
) -> Result<Json<RateVersionBody>, ApiError> {
    check_resource(&resource)?;
    let unknown =
        || Problem::not_found("rate_not_found", "This resource has no version of a rate of this number.");
    let version: i64 = version.parse().map_err(|_| unknown())?;
    let found = accounting.store.rate_version(&resource, version).await?;
    Ok(Json(found.ok_or_else(unknown)?.into()))
}
