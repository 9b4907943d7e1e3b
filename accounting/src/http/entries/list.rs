//! `GET /v1/accounts/{user_id}/entries?limit=&cursor=`

use accrue_chassis::http::{Path, Query};
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::http::accounts::unknown_account;
use crate::http::cursor::{self, Page};
use crate::http::error::ApiError;
use crate::http::{Accounting, user_id};
use crate::ledger::Entry;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Params {
    limit: Option<u32>,
    cursor: Option<String>,
}

#[derive(Debug, Serialize)]
pub(in crate::http) struct EntryBody {
    seq: i64,
    kind: &'static str,
    credits: i64,
    balance_after: i64,
    allocation_id: Uuid,
    actor: String,
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

pub(in crate::http) async fn list(
    State(accounting): State<Accounting>,
    Path(id): Path<String>,
    Query(params): Query<Params>,
) -> Result<Json<Page<EntryBody>>, ApiError> {
    user_id::check(&id)?;
    let limit = cursor::checked_limit(params.limit)?;
    let before_seq = params.cursor.as_deref().map(cursor::parse_seq).transpose()?;
    let entries = accounting.store.entries(&id, before_seq, limit + 1).await?;
    if entries.is_empty() && before_seq.is_none() {
        // None booked yet, or no such account?
        accounting.store.account(&id).await?.ok_or_else(unknown_account)?;
    }
    let page = Page::cut(entries, limit, |entry| cursor::after_seq(entry.seq));
    Ok(Json(page.map(EntryBody::from)))
}
