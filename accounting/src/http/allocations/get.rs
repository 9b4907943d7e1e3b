//! `GET /v1/accounts/{user_id}/allocations/{allocation_id}`

use accrue_chassis::http::Path;
use accrue_chassis::problem::Problem;
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::http::error::ApiError;
use crate::http::{Accounting, user_id};

#[derive(Debug, Serialize)]
pub(in crate::http) struct AllocationBody {
    id: Uuid,
    user_id: String,
    credits: i64,
    remaining: i64,
    reason: Option<String>,
    metadata: Option<Value>,
    #[serde(with = "time::serde::rfc3339::option")]
    expires_at: Option<OffsetDateTime>,
    actor: String,
    #[serde(with = "time::serde::rfc3339")]
    recorded_at: OffsetDateTime,
}

pub(in crate::http) async fn get(
    State(accounting): State<Accounting>,
    Path((id, allocation_id)): Path<(String, String)>,
) -> Result<Json<AllocationBody>, ApiError> {
    user_id::check(&id)?;
    let unknown = || Problem::not_found("allocation_not_found", "This account has no allocation of this id.");
    let allocation_id = Uuid::parse_str(&allocation_id).map_err(|_| unknown())?;
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
