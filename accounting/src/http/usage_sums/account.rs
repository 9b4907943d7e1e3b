//! `GET /v1/accounts/{user_id}/usage-sums?period=&since=&until=&resource=&limit=&cursor=`

use accrue_chassis::http::{Path, Query};
use accrue_chassis::problem::{FieldError, Problem};
use accrue_chassis::problem_docs::{AnyProblem, NotFoundProblem, TokenProblem};
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use super::{DEFAULT_DAYS, MAX_DAYS, Period, PeriodParams, UsageSumBody, position};
use crate::http::Accounting;
use crate::http::accounts::readable;
use crate::http::cursor::{self, Page};
use crate::http::error::ApiError;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Params {
    /// What to sum by: `day` or `month`.
    #[param(default = "day", example = "month")]
    period: Option<String>,
    /// From this day on (UTC); if left out, 31 days before `until`, by month 366.
    #[param(example = "2026-01-01")]
    since: Option<String>,
    /// Before this day (UTC); if left out, tomorrow. At most 366 days after `since`.
    #[param(example = "2026-02-01")]
    until: Option<String>,
    /// Only usage for this resource.
    #[param(min_length = 1, max_length = 100, example = "chat")]
    resource: Option<String>,
    /// How many sums at most.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

fn parse_period(word: Option<&str>) -> Result<Period, Problem> {
    match word {
        None | Some("day") => Ok(Period::Day),
        Some("month") => Ok(Period::Month),
        Some(_) => {
            let detail = "period must be day or month.";
            Err(Problem::invalid(vec![FieldError::new("", "invalid_period", detail)]))
        }
    }
}

/// Usage of an account, by resource and period
///
/// The newest period first; of each in order of the resources, usage that names none last.
/// A month has those of its days that are asked for. A refund counts in the period of its
/// usage.
#[utoipa::path(
    get,
    path = "/v1/accounts/{user_id}/usage-sums",
    tag = "usage",
    params(
        ("user_id" = String, Path, description = "Whose account.", min_length = 1, max_length = 50),
        Params,
    ),
    security(("token" = ["accounts:read"]), ("owner" = [])),
    responses(
        (status = 200, description = "One page.", body = Page<UsageSumBody>),
        AnyProblem, TokenProblem, NotFoundProblem,
    )
)]
pub(in crate::http) async fn account(
    State(accounting): State<Accounting>,
    Path(id): Path<String>,
    Query(params): Query<Params>,
) -> Result<Json<Page<UsageSumBody>>, ApiError> {
    let limit = cursor::checked_limit(params.limit)?;
    let period = parse_period(params.period.as_deref())?;
    let after = params.cursor.as_deref().map(cursor::parse_usage_sum).transpose()?;
    let (after, days) = after.unzip();
    let Params { since, until, resource, .. } = params;
    let default_days = if period == Period::Month { MAX_DAYS } else { DEFAULT_DAYS };
    let store = &accounting.store;
    let mut filter =
        PeriodParams { since, until, resource }.filter(store.now().await?, default_days, days)?;
    readable(&accounting, &id).await?;
    let sums = match period {
        Period::Day => {
            filter.user_id = Some(id);
            store.usage_by_day(&filter, after.as_ref(), limit + 1).await?
        }
        Period::Month => store.usage_by_month(&id, &filter, after.as_ref(), limit + 1).await?,
    };
    let page = Page::cut(sums, limit, |sum| cursor::after_usage_sum(&position(sum), filter.days));
    Ok(Json(page.map(|sum| UsageSumBody::new(period, sum))))
}
