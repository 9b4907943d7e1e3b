//! `GET /v1/accounts/{user_id}/balance?at=&limit=&cursor=`

use accrue_chassis::http::{Path, Query};
use accrue_chassis::problem::{FieldError, Problem};
use accrue_chassis::problem_docs::{AnyProblem, NotFoundProblem, TokenProblem};
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use time::{Duration, OffsetDateTime};
use utoipa::IntoParams;
use uuid::Uuid;

use super::BalanceBody;
use crate::http::Accounting;
use crate::http::accounts::{readable, unknown_account};
use crate::http::cursor::{self, Page};
use crate::http::error::ApiError;
use crate::http::fields::parse_time;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Params {
    /// The instant, RFC 3339; now if left out, or that of the page before.
    #[param(example = "2026-01-31T12:00:00Z")]
    at: Option<String>,
    /// How many allocations at most.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

impl Params {
    /// The instant asked for, if one is, and the allocation that the page comes after. One in
    /// a cursor is the `now` of whoever gave it, whose clock may be ahead of ours.
    fn position(&self) -> Result<(Option<OffsetDateTime>, Option<Uuid>), Problem> {
        let at = self.at.as_deref().map(|text| parse_time("at", text)).transpose()?;
        let after = self.cursor.as_deref().map(cursor::parse_instant).transpose()?;
        match after {
            Some((instant, _)) if at.is_some_and(|at| at != instant) => {
                let detail = "The cursor is of another instant than at. Leave at out, or the cursor.";
                Err(Problem::invalid(vec![FieldError::new("", "invalid_cursor", detail)]))
            }
            Some((instant, id)) => Ok((Some(instant), Some(id))),
            None => Ok((at, None)),
        }
    }
}

/// How far the clocks of two processes may be apart.
const CLOCKS_APART: Duration = Duration::minutes(5);

fn in_the_future() -> Problem {
    let detail = "at lies ahead: what an account will hold is not known. Leave it out for now.";
    Problem::invalid(vec![FieldError::new("", "in_the_future", detail)])
}

/// A balance, explained
///
/// Now or at any instant that has passed: every allocation, newest first, with what was
/// drawn from it, came back, is held, ran out, was forfeited or waits. For each and for all
/// of them together `credits` is what `remaining`, `reserved`, `pending`, `used` less
/// `refunded`, `expired`, `voided`, `adjusted`, `transferred` and `unbooked` add up to; all
/// `remaining` is what is available.
#[utoipa::path(
    get,
    path = "/v1/accounts/{user_id}/balance",
    tag = "accounts",
    params(
        ("user_id" = String, Path, description = "Whose account.", min_length = 1, max_length = 50),
        Params,
    ),
    security(("token" = ["accounts:read"]), ("owner" = [])),
    responses(
        (status = 200, description = "The balance, and one page of the allocations.", body = BalanceBody),
        AnyProblem, TokenProblem, NotFoundProblem,
    )
)]
pub(in crate::http) async fn get(
    State(accounting): State<Accounting>,
    Path(id): Path<String>,
    Query(params): Query<Params>,
) -> Result<Json<BalanceBody>, ApiError> {
    let limit = cursor::checked_limit(params.limit)?;
    let (at, before) = params.position()?;
    let account = readable(&accounting, &id).await?.account;
    // A clock that was set back does not take back what was booked.
    let now = account.decision_time(accounting.store.now().await?);
    let at = at.unwrap_or(now);
    let ahead = if before.is_some() { CLOCKS_APART } else { Duration::ZERO };
    if at > now + ahead {
        return Err(in_the_future().into());
    }
    let found = accounting.store.balance(&id, at, before, limit + 1).await?;
    let found = found.ok_or_else(unknown_account)?;
    let page = Page::cut(found.allocations, limit, |one| cursor::after_instant(at, one.allocation.id));
    let (data, next_cursor) = page.map(Into::into).into_parts();
    let (balance, totals) = (found.balance, found.totals);
    Ok(Json(BalanceBody { user_id: id, at, balance, totals, data, next_cursor }))
}
