//! Posting a request's command to the ledger, and the answer that the ledger rendered.

use accrue_chassis::problem::Problem;
use accrue_chassis::tokens::Caller;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use super::error::ApiError;
use super::{Accounting, user_id};
use crate::ledger::{Action, Command, IdempotencyKey, Receipt, Reply};

/// Posts what `caller` wants done to the account of `id`, and answers with `status`.
pub(super) async fn book(
    accounting: &Accounting,
    (id, caller): (String, &Caller),
    (idempotency, action): (Option<IdempotencyKey>, Action),
    status: StatusCode,
) -> Result<Response, ApiError> {
    let command = Command { user_id: id.clone(), actor: caller.actor(), idempotency, action };
    match accounting.batcher.post(command).await? {
        Ok(Receipt::Booked(reply)) => Ok(answer(&id, reply, status)),
        Ok(_) => Err(Problem::internal().into()),
        Err(rejection) => Err(ApiError::Rejected { user_id: id, rejection }),
    }
}

fn answer(user_id: &str, reply: Reply, status: StatusCode) -> Response {
    let location = user_id::address(user_id, &reply.resource);
    let mut response = (status, reply.body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let (StatusCode::CREATED, Ok(location)) = (status, HeaderValue::from_str(&location)) {
        headers.insert(header::LOCATION, location);
    }
    if reply.is_replay {
        headers.insert("idempotency-replayed", HeaderValue::from_static("true"));
    }
    response
}
