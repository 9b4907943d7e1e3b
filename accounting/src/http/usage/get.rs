//! `GET /v1/accounts/{user_id}/usage/{usage_id}`

use accrue_chassis::http::Path;
use accrue_chassis::problem_docs::{AnyProblem, NotFoundProblem, TokenProblem};
use axum::Json;
use axum::extract::State;

use super::{parse_id, unknown_usage};
use crate::http::Accounting;
use crate::http::accounts::readable;
use crate::http::error::ApiError;
use crate::ledger::UsageView;

/// One usage
#[utoipa::path(
    get,
    path = "/v1/accounts/{user_id}/usage/{usage_id}",
    tag = "usage",
    params(
        ("user_id" = String, Path, description = "Whose account.", min_length = 1, max_length = 50),
        ("usage_id" = String, Path, description = "Which usage."),
    ),
    security(("token" = ["accounts:read"]), ("owner" = [])),
    responses(
        (status = 200, description = "The usage.", body = UsageView),
        AnyProblem, TokenProblem, NotFoundProblem,
    )
)]
pub(in crate::http) async fn get(
    State(accounting): State<Accounting>,
    Path((id, usage_id)): Path<(String, String)>,
) -> Result<Json<UsageView>, ApiError> {
    readable(&accounting, &id).await?;
    let usage_id = parse_id(&usage_id)?;
    let found = accounting.store.usage(&id, usage_id).await?.ok_or_else(unknown_usage)?;
    Ok(Json(UsageView::new(&id, &found)))
}
