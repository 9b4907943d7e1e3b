//! `GET /v1/accounts/{user_id}/allocations/{allocation_id}`

use accrue_chassis::http::Path;
use accrue_chassis::problem::Problem;
use accrue_chassis::problem_docs::{AnyProblem, NotFoundProblem, TokenProblem};
use axum::Json;
use axum::extract::State;
use uuid::Uuid;

use super::AllocationBody;
use crate::http::accounts::unknown_account;
use crate::http::error::ApiError;
use crate::http::{Accounting, user_id};

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
        (status = 200, description = "The allocation.", body = AllocationBody),
        AnyProblem, TokenProblem, NotFoundProblem,
    )
)]
pub(in crate::http) async fn get(
    State(accounting): State<Accounting>,
    Path((id, allocation_id)): Path<(String, String)>,
) -> Result<Json<AllocationBody>, ApiError> {
    user_id::check(&id)?;
    let unknown = || Problem::not_found("allocation_not_found", "This account has no allocation of this id.");
    let allocation_id = Uuid::parse_str(&allocation_id).map_err(|_| unknown())?;
    accounting.store.account(&id).await?.ok_or_else(unknown_account)?;
    let allocation = accounting.store.allocation(&id, allocation_id).await?.ok_or_else(unknown)?;
    Ok(Json(AllocationBody {
        id: allocation.id,
        user_id: id,
        credits: allocation.credits,
        remaining: allocation.remaining,
        reason: allocation.reason,
        metadata: allocation.metadata,
        expires_at: allocation.expires_at,
        actor: allocation.actor,
        recorded_at: allocation.recorded_at,
    }))
}
