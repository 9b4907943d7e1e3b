//! `GET /v1/admin/dead-letters?type=&since=&limit=`

use accrue_chassis::http::Query;
use accrue_chassis::problem_docs::{AnyProblem, TokenProblem};
use accrue_events::broker::{LetterCount, LetterSummary, Look, Selection};
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{PATIENCE, within};
use crate::http::Accounting;
use crate::http::cursor::checked_limit;
use crate::http::error::ApiError;
use crate::http::fields::parse_time;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Params {
    /// Only events of this type.
    #[serde(rename = "type")]
    #[param(example = "accrue.user.registered.v1")]
    kind: Option<String>,
    /// Only what died then or later.
    #[param(example = "2026-01-31T12:00:00Z")]
    since: Option<String>,
    /// How many at most.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
}

/// Dead letters, without their bodies.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct DeadLettersBody {
    /// The oldest, as far as the broker tells their times.
    data: Vec<LetterSummary>,
    /// How many there are in all, also of those that are not in `data`.
    total: u64,
    /// How many there are of each type and reason.
    counts: Vec<LetterCount>,
    /// Whether all letters were looked at: if not, there are more, and `accrue dlq list` has the time.
    complete: bool,
}

/// Dead letters
///
/// Events that were given up on, the oldest first, without their bodies.
#[utoipa::path(
    get,
    path = "/v1/admin/dead-letters",
    tag = "dead letters",
    params(Params),
    security(("token" = ["events:admin"])),
    responses(
        (status = 200, description = "The oldest, and how many there are.", body = DeadLettersBody),
        AnyProblem, TokenProblem,
    )
)]
pub(in crate::http) async fn list(
    State(accounting): State<Accounting>,
    Query(params): Query<Params>,
) -> Result<Json<DeadLettersBody>, ApiError> {
    let limit = checked_limit(params.limit)?;
    let since = params.since.as_deref().map(|text| parse_time("since", text)).transpose()?;
    let selection = Selection { kind: params.kind, since, ..Selection::default() };
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let survey =
        within(accounting.dead_letters.survey(&Look { selection, limit, patience: PATIENCE })).await?;
    Ok(Json(DeadLettersBody {
        total: survey.total(),
        counts: survey.by_kind(),
        complete: survey.is_complete,
        data: survey.letters,
    }))
}
