//! `POST /v1/accounts/{user_id}/allocations/{allocation_id}/void`

use accrue_chassis::http::{Json, Path};
use accrue_chassis::problem_docs::{AnyProblem, BodyProblem, NotFoundProblem, ProblemBody, TokenProblem};
use accrue_chassis::tokens::Caller;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::parse_id;
use crate::http::error::ApiError;
use crate::http::fields::Fields;
use crate::http::{Accounting, booking, idempotency, user_id};
use crate::ledger::{Action, VoidReply};

/// To forfeit what is unspent.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[schema(example = json!({"reason": "the purchase was cancelled"}))]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct VoidRequest {
    /// Why.
    #[schema(max_length = 500)]
    reason: Option<String>,
}

/// Void an allocation
///
/// What is unspent of it is forfeited; what refunds bring back to it later is, too.
/// Refused while reservations hold some of it.
#[utoipa::path(
    post,
    path = "/v1/accounts/{user_id}/allocations/{allocation_id}/void",
    tag = "allocations",
    params(
        ("user_id" = String, Path, description = "Whose account.", min_length = 1, max_length = 50),
        ("allocation_id" = String, Path, description = "Which allocation."),
        ("Idempotency-Key" = String, Header, description = "New for each new request.",
         min_length = 1, max_length = 255, example = "void-1017"),
    ),
    request_body = VoidRequest,
    security(("token" = ["credits:write"])),
    responses(
        (status = 200, description = "Voided.", body = VoidReply),
        (status = 409, description = "Reservations hold some of it, or nothing of it is left; or the key's reply \
         is no longer kept.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "The key came before with another request.",
         body = ProblemBody, content_type = "application/problem+json"),
        AnyProblem, BodyProblem, TokenProblem, NotFoundProblem,
    )
)]
pub(in crate::http) async fn void(
    State(accounting): State<Accounting>,
    caller: Caller,
    Path((id, allocation_id)): Path<(String, String)>,
    headers: HeaderMap,
    Json(request): Json<VoidRequest>,
) -> Result<Response, ApiError> {
    user_id::check(&id)?;
    let allocation_id = parse_id(&allocation_id)?;
    Fields::new().reason(request.reason.as_ref()).finish()?;
    let key = idempotency::required_key(&headers, &caller, &format!("void {allocation_id}"), &request)?;
    let action = Action::Void { allocation_id, reason: request.reason };
    booking::book(&accounting, (id, &caller), (Some(key), action), StatusCode::OK).await
}
