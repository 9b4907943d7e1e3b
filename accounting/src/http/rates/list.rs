//! `GET /v1/rates?limit=&cursor=`

use accrue_chassis::http::Query;
use accrue_chassis::problem::Problem;
use accrue_chassis::problem_docs::{AnyProblem, TokenProblem};
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use super::RateBody;
use crate::http::Accounting;
use crate::http::cursor::{self, Page};
use crate::http::error::ApiError;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Params {
    /// How many at most.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

impl Params {
    /// How many items, and those below which number.
    pub(super) fn check_number(&self) -> Result<(u32, Option<i64>), Problem> {
        let before = self.cursor.as_deref().map(cursor::parse_seq).transpose()?;
        Ok((cursor::checked_limit(self.limit)?, before))
    }
}

/// The rates of all resources, by name
#[utoipa::path(
    get,
    path = "/v1/rates",
    tag = "rates",
    params(Params),
    security(("token" = ["accounts:read"]), ("token" = ["usage:write"]), ("token" = ["rates:write"])),
    responses(
        (status = 200, description = "One page.", body = Page<RateBody>),
        AnyProblem, TokenProblem,
    )
)]
pub(in crate::http) async fn list(
    State(accounting): State<Accounting>,
    Query(params): Query<Params>,
) -> Result<Json<Page<RateBody>>, ApiError> {
    let limit = cursor::checked_limit(params.limit)?;
    let after = params.cursor.as_deref().map(cursor::parse_name).transpose()?;
    let found = accounting.store.rates(after.as_deref(), limit + 1).await?;
    let page = Page::cut(found, limit, |rate| cursor::after_name(&rate.resource));
    Ok(Json(page.map(RateBody::from)))
}
