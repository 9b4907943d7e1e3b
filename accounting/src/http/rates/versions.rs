//! `GET /v1/rates/{resource}/versions?limit=&cursor=`

use accrue_chassis::http::{Path, Query};
use accrue_chassis::problem_docs::{AnyProblem, NotFoundProblem, TokenProblem};
use axum::Json;
use axum::extract::State;

use super::list::Params;
use super::{RateVersionBody, check_resource, unknown_rate};
use crate::http::Accounting;
use crate::http::cursor::{self, Page};
use crate::http::error::ApiError;

/// Every version of a rate, newest first
#[utoipa::path(
    get,
    path = "/v1/rates/{resource}/versions",
    tag = "rates",
    params(
        ("resource" = String, Path, description = "Of what.", min_length = 1, max_length = 100),
        Params,
    ),
    security(("token" = ["accounts:read"]), ("token" = ["usage:write"]), ("token" = ["rates:write"])),
    responses(
        (status = 200, description = "One page.", body = Page<RateVersionBody>),
        AnyProblem, TokenProblem, NotFoundProblem,
    )
)]
pub(in crate::http) async fn versions(
    State(accounting): State<Accounting>,
    Path(resource): Path<String>,
    Query(params): Query<Params>,
) -> Result<Json<Page<RateVersionBody>>, ApiError> {
    check_resource(&resource)?;
    let (limit, before) = params.check_number()?;
    let found = accounting.store.rate_versions(&resource, before, limit + 1).await?;
    if found.is_empty() && before.is_none() {
        return Err(unknown_rate().into());
    }
    let page = Page::cut(found, limit, |rate| cursor::after_seq(rate.version));
    Ok(Json(page.map(RateVersionBody::from)))
}
