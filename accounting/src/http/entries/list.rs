//! `GET /v1/accounts/{user_id}/entries?limit=&cursor=`

use accrue_chassis::http::{Path, Query};
use accrue_chassis::problem_docs::{AnyProblem, NotFoundProblem, TokenProblem};
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::http::accounts::unknown_account;
use crate::http::cursor::{self, Page};
use crate::http::error::ApiError;
use crate::http::{Accounting, user_id};
use crate::ledger::Entry;

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

/// One booking.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Entry, example = json!({
    "seq": 1, "kind": "allocation", "credits": 100, "balance_after": 100,
    "allocation_id": "01980000-0000-7000-8000-000000000000", "actor": "client:shop",
    "recorded_at": "2026-01-02T03:04:05.678901Z",
}))]
pub(in crate::http) struct EntryBody {
    /// 1, 2, 3 … without gaps within the account.
    seq: i64,
    /// `allocation`, `welcome`, `expiry` or `adoption`.
    kind: &'static str,
    /// Credits that came in, negative where they went.
    credits: i64,
    /// Everything that the account held after it.
    balance_after: i64,
    /// The allocation that it made or drew on.
    allocation_id: Uuid,
    /// Who asked for it.
    actor: String,
    /// When it was booked.
    #[serde(with = "time::serde::rfc3339")]
    recorded_at: OffsetDateTime,
}

impl From<Entry> for EntryBody {
    fn from(entry: Entry) -> Self {
        Self {
            seq: entry.seq,
            kind: entry.kind.word(),
            credits: entry.credits,
            balance_after: entry.balance_after,
            allocation_id: entry.allocation_id,
            actor: entry.actor,
            recorded_at: entry.recorded_at,
        }
    }
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
    user_id::check(&id)?;
    let limit = cursor::checked_limit(params.limit)?;
    let before_seq = params.cursor.as_deref().map(cursor::parse_seq).transpose()?;
    accounting.store.account(&id).await?.ok_or_else(unknown_account)?;
    let entries = accounting.store.entries(&id, before_seq, limit + 1).await?;
    let page = Page::cut(entries, limit, |entry| cursor::after_seq(entry.seq));
    Ok(Json(page.map(EntryBody::from)))
}
