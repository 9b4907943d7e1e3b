//! `GET /v1/usage-sums?since=&until=&resource=&user_id=&limit=&cursor=`

use accrue_chassis::http::Query;
use accrue_chassis::problem_docs::{AnyProblem, TokenProblem};
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use super::{DEFAULT_DAYS, Period, PeriodParams, UsageSumBody, position};
use crate::http::cursor::{self, Page};
use crate::http::error::ApiError;
use crate::http::{Accounting, user_id};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Params {
    /// From this day on (UTC); if left out, 31 days before `until`.
    #[param(example = "2026-01-01")]
    since: Option<String>,
    /// Before this day (UTC); if left out, tomorrow. At most 366 days after `since`.
    #[param(example = "2026-02-01")]
    until: Option<String>,
    /// Only usage for this resource.
    #[param(min_length = 1, max_length = 100, example = "chat")]
    resource: Option<String>,
    /// Only usage of this user.
    #[param(min_length = 1, max_length = 50, example = "ada")]
    user_id: Option<String>,
    /// How many sums at most.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Usage of everyone, by day, user and resource
///
/// The newest day first; of a day in order of the users' ids, of a user in order of the
/// resources, usage that names none last. A refund counts on the day of its usage.
#[utoipa::path(
    get,
    path = "/v1/usage-sums",
    tag = "usage",
    params(Params),
    security(("token" = ["accounts:read"])),
    responses(
        (status = 200, description = "One page.", body = Page<UsageSumBody>),
        AnyProblem, TokenProblem,
    )
)]
pub(in crate::http) async fn everyone(
    State(accounting): State<Accounting>,
    Query(params): Query<Params>,
) -> Result<Json<Page<UsageSumBody>>, ApiError> {
    let limit = cursor::checked_limit(params.limit)?;
    let after = params.cursor.as_deref().map(cursor::parse_usage_sum).transpose()?;
    let (after, days) = after.unzip();
    let Params { since, until, resource, user_id, .. } = params;
    user_id.as_deref().map(user_id::check).transpose()?;
    let store = &accounting.store;
    let mut filter =
        PeriodParams { since, until, resource }.filter(store.now().await?, DEFAULT_DAYS, days)?;
    filter.user_id = user_id;
    let sums = store.usage_by_day(&filter, after.as_ref(), limit + 1).await?;
    let page = Page::cut(sums, limit, |sum| cursor::after_usage_sum(&position(sum), filter.days));
    Ok(Json(page.map(|sum| UsageSumBody::new(Period::Day, sum))))
}
