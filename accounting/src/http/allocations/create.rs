//! `POST /v1/accounts/{user_id}/allocations`

use accrue_chassis::http::{Json, Path};
use accrue_chassis::problem::{FieldError, Problem};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::http::error::ApiError;
use crate::http::{Accounting, idempotency, user_id};
use crate::ledger::{Action, Allocate, CREDITS_LIMIT, Command, Receipt, Reply};

/// The longest reason, in characters.
const MAX_REASON_CHARS: usize = 500;

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct AllocationRequest {
    credits: i64,
    reason: Option<String>,
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

pub(in crate::http) async fn create(
    State(accounting): State<Accounting>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Json(request): Json<AllocationRequest>,
) -> Result<Response, ApiError> {
    user_id::check(&id)?;
    request.check()?;
    let key = idempotency::required_key(&headers, "allocate", &request)?;
    let command = Command {
        user_id: id.clone(),
        idempotency: Some(key),
        action: Action::Allocate(Allocate {
            allocation_id: Uuid::now_v7(),
            credits: request.credits,
            expires_at: None,
            reason: request.reason,
            metadata: request.metadata.map(Value::Object),
            actor: "anyone".to_owned(),
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
