//! `POST /v1/accounts/{user_id}/usage/{usage_id}/refund`

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
use crate::ledger::{Action, RefundReply};

/// What is to come back.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[schema(example = json!({"credits": 5, "reason": "the answer was cut off"}))]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct RefundRequest {
    /// How many; all that can still come back if not given.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    credits: Option<i64>,
    /// Why.
    #[schema(max_length = 500)]
    reason: Option<String>,
}

/// Refund a usage, or part of it
///
/// To the allocations that it drew on, last drawn first. What goes back to one that has
/// ended or was voided meanwhile lapses at once; `refund.lapsed` says how much.
#[utoipa::path(
    post,
    path = "/v1/accounts/{user_id}/usage/{usage_id}/refund",
    tag = "usage",
    params(
        ("user_id" = String, Path, description = "Whose account.", min_length = 1, max_length = 50),
        ("usage_id" = String, Path, description = "Which usage."),
        ("Idempotency-Key" = String, Header, description = "New for each new request.",
         min_length = 1, max_length = 255, example = "refund-4711"),
    ),
    request_body = RefundRequest,
    security(("token" = ["usage:write"])),
    responses(
        (status = 200, description = "Refunded.", body = RefundReply),
        (status = 409, description = "Less than that can still come back, the account is closed or full, or the \
         key's reply is no longer kept.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "The key came before with another request.",
         body = ProblemBody, content_type = "application/problem+json"),
        AnyProblem, BodyProblem, TokenProblem, NotFoundProblem,
    )
)]
pub(in crate::http) async fn refund(
    State(accounting): State<Accounting>,
    caller: Caller,
    Path((id, usage_id)): Path<(String, String)>,
    headers: HeaderMap,
    Json(request): Json<RefundRequest>,
) -> Result<Response, ApiError> {
    user_id::check(&id)?;
    let usage_id = parse_id(&usage_id)?;
    Fields::new().credits(request.credits.unwrap_or(1)).reason(request.reason.as_ref()).finish()?;
    let key = idempotency::required_key(&headers, &caller, &format!("refund {usage_id}"), &request)?;
    let action = Action::Refund { usage_id, credits: request.credits, reason: request.reason };
    booking::book(&accounting, (id, &caller), (Some(key), action), StatusCode::OK).await
}
