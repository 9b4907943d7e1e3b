//! `GET /v1/accounts/{user_id}/entries?kind=&since=&until=&limit=&cursor=`

use accrue_chassis::http::{Path, Query};
use accrue_chassis::problem::{FieldError, Problem};
use accrue_chassis::problem_docs::{AnyProblem, NotFoundProblem, TokenProblem};
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use super::EntryBody;
use crate::http::Accounting;
use crate::http::accounts::readable;
use crate::http::cursor::{self, Page};
use crate::http::error::ApiError;
use crate::http::fields::parse_time;
use crate::ledger::EntryKind;
use crate::store::EntryFilter;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Params {
    /// Only those of this kind.
    #[param(example = "usage")]
    kind: Option<String>,
    /// Only those from this instant on, RFC 3339.
    #[param(example = "2026-01-01T00:00:00Z")]
    since: Option<String>,
    /// Only those before this instant, RFC 3339.
    #[param(example = "2026-02-01T00:00:00Z")]
    until: Option<String>,
    /// How many at most.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

impl Params {
    fn filter(&self) -> Result<EntryFilter, Problem> {
        Ok(EntryFilter {
            before_seq: self.cursor.as_deref().map(cursor::parse_seq).transpose()?,
            kind: self.kind.as_deref().map(parse_kind).transpose()?,
            since: self.since.as_deref().map(|text| parse_time("since", text)).transpose()?,
            until: self.until.as_deref().map(|text| parse_time("until", text)).transpose()?,
        })
    }
}

fn parse_kind(word: &str) -> Result<EntryKind, Problem> {
    EntryKind::from_word(word).ok_or_else(|| {
        let words: Vec<&str> = EntryKind::ALL.iter().map(|kind| kind.word()).collect();
        let detail = format!("kind must be one of {}.", words.join(", "));
        Problem::invalid(vec![FieldError::new("", "invalid_kind", detail)])
    })
}

/// Every booking on an account, newest first
#[utoipa::path(
    get,
    path = "/v1/accounts/{user_id}/entries",
    tag = "accounts",
    params(
        ("user_id" = String, Path, description = "Whose account.", min_length = 1, max_length = 50),
        Params,
    ),
    security(("token" = ["accounts:read"]), ("owner" = [])),
    responses(
        (status = 200, description = "One page.", body = Page<EntryBody>),
        AnyProblem, TokenProblem, NotFoundProblem,
    )
)]
pub(in crate::http) async fn list(
    State(accounting): State<Accounting>,
    Path(id): Path<String>,
    Query(params): Query<Params>,
) -> Result<Json<Page<EntryBody>>, ApiError> {
    let limit = cursor::checked_limit(params.limit)?;
    let filter = params.filter()?;
    readable(&accounting, &id).await?;
    let entries = accounting.store.entries(&id, &filter, limit + 1).await?;
    let page = Page::cut(entries, limit, |entry| cursor::after_seq(entry.seq));
    Ok(Json(page.map(EntryBody::from)))
}
