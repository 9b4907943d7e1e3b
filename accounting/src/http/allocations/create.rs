//! `POST /v1/accounts/{user_id}/allocations`

use accrue_chassis::http::{Json, Path};
use accrue_chassis::problem::{FieldError, Problem};
use accrue_chassis::problem_docs::{AnyProblem, BodyProblem, ProblemBody, TokenProblem};
use accrue_chassis::tokens::Caller;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use super::AllocationReplyBody;
use crate::http::error::ApiError;
use crate::http::{Accounting, idempotency, user_id};
use crate::ledger::{Action, Allocate, CREDITS_LIMIT, Command, Receipt, Reply};

/// The longest reason, in characters.
const MAX_REASON_CHARS: usize = 500;

/// Credits to add.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[schema(example = json!({"credits": 100, "reason": "first purchase"}))]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct AllocationRequest {
    /// How many.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    credits: i64,
    /// Why.
    #[schema(max_length = 500)]
    reason: Option<String>,
    /// Whatever you want kept with it.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Map<String, Value>>,
}

impl AllocationRequest {
    fn check(&self) -> Result<(), Problem> {
        let mut errors = Vec::new();
        if !(1..CREDITS_LIMIT).contains(&self.credits) {
            errors.push(super::credits_out_of_range());
        }
        if self.reason.as_ref().is_some_and(|reason| reason.chars().count() > MAX_REASON_CHARS) {
            let detail = format!("reason must not be longer than {MAX_REASON_CHARS} characters.");
            errors.push(FieldError::new("/reason", "too_long", detail));
        }
        if errors.is_empty() { Ok(()) } else { Err(Problem::invalid(errors)) }
    }
}

/// Allocate credits
///
/// To any user, known here or not: one who is not gets a placeholder account, which
/// the event of their registration makes active. Sent again with the same key it
/// answers the same, byte for byte, with `Idempotency-Replayed: true`.
#[utoipa::path(
    post,
    path = "/v1/accounts/{user_id}/allocations",
    tag = "allocations",
    params(
        ("user_id" = String, Path, description = "Whose account.", min_length = 1, max_length = 50),
        ("Idempotency-Key" = String, Header, description = "New for each new request.",
         min_length = 1, max_length = 255, example = "order-1017"),
    ),
    request_body = AllocationRequest,
    security(("token" = ["credits:write"])),
    responses(
        (status = 201, description = "Allocated.", body = AllocationReplyBody),
        (status = 409, description = "The account is closed or full, or the key's reply is no longer kept.",
         body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "The key came before with another request.",
         body = ProblemBody, content_type = "application/problem+json"),
        AnyProblem, BodyProblem, TokenProblem,
    )
)]
pub(in crate::http) async fn create(
    State(accounting): State<Accounting>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
    Json(request): Json<AllocationRequest>,
) -> Result<Response, ApiError> {
    user_id::check(&id)?;
    request.check()?;
    let key = idempotency::required_key(&headers, &caller, "allocate", &request)?;
    let command = Command {
        user_id: id.clone(),
        idempotency: Some(key),
        action: Action::Allocate(Allocate {
            allocation_id: Uuid::now_v7(),
            credits: request.credits,
            expires_at: None,
            reason: request.reason,
            metadata: request.metadata.map(Value::Object),
            actor: caller.actor(),
        }),
    };
    match accounting.batcher.post(command).await? {
        Ok(Receipt::Booked(reply)) => Ok(created(&id, reply)),
        Ok(Receipt::User(_)) => Err(Problem::internal().into()),
        Err(rejection) => Err(ApiError::Rejected { user_id: id, rejection }),
    }
}

fn created(user_id: &str, reply: Reply) -> Response {
    let location = user_id::address(user_id, &reply.resource);
    let mut response = (StatusCode::CREATED, reply.body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Ok(location) = HeaderValue::from_str(&location) {
        headers.insert(header::LOCATION, location);
    }
    if reply.is_replay {
        headers.insert("idempotency-replayed", HeaderValue::from_static("true"));
    }
    response
}
