//! `GET /v1/accounts/{user_id}/entries/{seq}`

use accrue_chassis::http::Path;
use accrue_chassis::problem::Problem;
use accrue_chassis::problem_docs::{AnyProblem, NotFoundProblem, TokenProblem};
use axum::Json;
use axum::extract::State;

use super::EntryBody;
use crate::http::Accounting;
use crate::http::accounts::readable;
use crate::http::error::ApiError;
use crate::store::EntryFilter;

/// One booking
#[utoipa::path(
    get,
    path = "/v1/accounts/{user_id}/entries/{seq}",
    tag = "accounts",
    params(
        ("user_id" = String, Path, description = "Whose account.", min_length = 1, max_length = 50),
        ("seq" = String, Path, description = "Which entry: 1, 2, 3 …"),
    ),
    security(("token" = ["accounts:read"]), ("owner" = [])),
    responses(
        (status = 200, description = "The entry.", body = EntryBody),
        AnyProblem, TokenProblem, NotFoundProblem,
    )
)]
pub(in crate::http) async fn get(
    State(accounting): State<Accounting>,
    Path((id, seq)): Path<(String, String)>,
) -> Result<Json<EntryBody>, ApiError> {
    readable(&accounting, &id).await?;
    let unknown = || Problem::not_found("entry_not_found", "This account has no entry of this number.");
    let seq: i64 = seq.parse().ok().filter(|seq| (1..i64::MAX).contains(seq)).ok_or_else(unknown)?;
    let filter = EntryFilter { before_seq: Some(seq + 1), ..EntryFilter::default() };
    let found = accounting.store.entries(&id, &filter, 1).await?.pop();
    Ok(Json(found.filter(|entry| entry.seq == seq).ok_or_else(unknown)?.into()))
}
