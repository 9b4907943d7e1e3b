//! `GET /v1/user-versions?after=&limit=`: everybody, in the order of the bytes of their ids.

use accrue_chassis::http::Query;
use accrue_chassis::problem::{FieldError, Problem};
use accrue_chassis::problem_docs::{AnyProblem, TokenProblem};
use accrue_chassis::tokens::Caller;
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::UserVersionBody;
use crate::http::App;
use crate::http::error::ApiError;
use crate::http::users::admin::{EVENTS_ADMIN, acting_by};

const MAX_LIMIT: u32 = 1_000;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Params {
    /// `next_after` of the page before; without it the first page.
    #[param(min_length = 1, max_length = 50)]
    after: Option<String>,
    /// How many at most.
    #[param(minimum = 1, maximum = 1000, default = 1000)]
    limit: Option<u32>,
}

/// One page of everybody.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct UserVersions {
    /// In the order of the bytes of their ids.
    data: Vec<UserVersionBody>,
    /// To be sent as `after` for the page that follows; none on the last one.
    next_after: Option<String>,
}

/// How far everybody has come
///
/// All users, the deleted too, in the order of the bytes of their ids: to be compared, side by
/// side, with what a consumer knows.
#[utoipa::path(
    get,
    path = "/v1/user-versions",
    tag = "events",
    params(Params),
    security(("token" = ["events:admin"])),
    responses(
        (status = 200, description = "One page.", body = UserVersions),
        AnyProblem, TokenProblem,
    )
)]
pub(in crate::http) async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(params): Query<Params>,
) -> Result<Json<UserVersions>, ApiError> {
    acting_by(&app, &caller, EVENTS_ADMIN).await?;
    let limit = params.limit.unwrap_or(MAX_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        let detail = format!("limit must be from 1 to {MAX_LIMIT}.");
        return Err(Problem::invalid(vec![FieldError::new("", "invalid_limit", detail)]).into());
    }
    let found = app.store.versions(params.after.as_deref(), limit + 1).await?;
    let mut users = found.ok_or_else(|| {
        let detail = "after is no id that this list gave. Leave it out to begin at the first page.";
        Problem::invalid(vec![FieldError::new("", "invalid_cursor", detail)])
    })?;
    let has_more = users.len() > limit as usize;
    users.truncate(limit as usize);
    let next_after = users.last().filter(|_| has_more).map(|user| user.user_id.clone());
    Ok(Json(UserVersions { data: users.into_iter().map(Into::into).collect(), next_after }))
}
