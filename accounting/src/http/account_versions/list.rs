//! `GET /v1/account-versions?after=&limit=`

use accrue_chassis::http::Query;
use accrue_chassis::problem::{FieldError, Problem};
use accrue_chassis::problem_docs::{AnyProblem, TokenProblem};
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::AccountVersionBody;
use crate::http::Accounting;
use crate::http::error::ApiError;

/// How many one page may hold, and does unless asked for fewer.
const MAX_LIMIT: u32 = 1_000;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Params {
    /// `next_after` of the page before. Any text will do: ids that come after it, byte by byte, are shown.
    after: Option<String>,
    /// How many at most.
    #[param(minimum = 1, maximum = 1000, default = 1000)]
    limit: Option<u32>,
}

/// One page, in the byte order of the users' ids.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct AccountVersionPage {
    /// The accounts.
    data: Vec<AccountVersionBody>,
    /// To be sent back as `after` for the page after; none on the last one.
    next_after: Option<String>,
}

/// What of each user is known here
///
/// In the byte order of the users' ids, as auth lists its users at `/v1/user-versions`, so that the two
/// can be compared side by side. Changes while it is read through show or do not.
#[utoipa::path(
    get,
    path = "/v1/account-versions",
    tag = "account-versions",
    params(Params),
    security(("token" = ["events:admin"])),
    responses(
        (status = 200, description = "One page.", body = AccountVersionPage),
        AnyProblem, TokenProblem,
    )
)]
pub(in crate::http) async fn list(
    State(accounting): State<Accounting>,
    Query(params): Query<Params>,
) -> Result<Json<AccountVersionPage>, ApiError> {
    let limit = params.limit.unwrap_or(MAX_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(invalid("invalid_limit", format!("limit must be from 1 to {MAX_LIMIT}.")).into());
    }
    let after = params.after.unwrap_or_default();
    if after.contains('\0') {
        let detail = "after holds a NUL character; leave it out.".to_owned();
        return Err(invalid("nul_character", detail).into());
    }
    let mut accounts = accounting.store.accounts_in_order(&after, limit + 1).await?;
    let has_more = accounts.len() > limit as usize;
    accounts.truncate(limit as usize);
    let next_after = accounts.last().filter(|_| has_more).map(|view| view.account.user_id.clone());
    let data = accounts.into_iter().map(AccountVersionBody::from).collect();
    Ok(Json(AccountVersionPage { data, next_after }))
}

fn invalid(code: &'static str, detail: String) -> Problem {
    Problem::invalid(vec![FieldError::new("", code, detail)])
}
