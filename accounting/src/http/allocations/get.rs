//! `GET /v1/accounts/{user_id}/allocations/{allocation_id}`

use accrue_chassis::http::Path;
use accrue_chassis::problem_docs::{AnyProblem, NotFoundProblem, TokenProblem};
use axum::Json;
use axum::extract::State;

use super::{parse_id, unknown_allocation};
use crate::http::Accounting;
use crate::http::accounts::readable;
use crate::http::error::ApiError;
use crate::ledger::AllocationView;

/// One allocation, with what is left of it
#[utoipa::path(
    get,
    path = "/v1/accounts/{user_id}/allocations/{allocation_id}",
    tag = "allocations",
    params(
        ("user_id" = String, Path, description = "Whose account.", min_length = 1, max_length = 50),
        ("allocation_id" = String, Path, description = "Which allocation."),
    ),
    security(("token" = ["accounts:read"]), ("owner" = [])),
    responses(
        (status = 200, description = "The allocation.", body = AllocationView),
        AnyProblem, TokenProblem, NotFoundProblem,
    )
)]
pub(in crate::http) async fn get(
    State(accounting): State<Accounting>,
    Path((id, allocation_id)): Path<(String, String)>,
) -> Result<Json<AllocationView>, ApiError> {
    readable(&accounting, &id).await?;
    let allocation_id = parse_id(&allocation_id)?;
    let found = accounting.store.allocation(&id, allocation_id).await?.ok_or_else(unknown_allocation)?;
    Ok(Json(AllocationView::new(&id, &found.allocation, found.at)))
}
