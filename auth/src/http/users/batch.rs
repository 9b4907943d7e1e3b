//! `POST /v1/users/batch`: an admin makes up to 1,000 users, with one result each.

use accrue_chassis::http::{Json, TraceContext};
use accrue_chassis::problem::{FieldError, Problem};
use accrue_chassis::problem_docs::{AnyProblem, BodyProblem, TokenProblem};
use accrue_chassis::tokens::Caller;
use axum::extract::State;
use axum::http::HeaderMap;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::admin;
use super::batch_item::{BatchItem, BatchResult};
use super::fields::idempotency_key;
use crate::http::App;
use crate::http::error::ApiError;

/// How many users one request may bring.
const MAX_USERS: usize = 1_000;
/// What their request may hold.
const MAX_BYTES: usize = 1024 * 1024;
/// How many of them are under way at once: enough to keep the cores busy, and few
/// enough to leave others room in the queue of hashes.
const AT_ONCE: usize = 4;

/// Users to make.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct BatchRequest {
    /// In any order; the results come in the same one. What is wrong with a user is told
    /// in the result.
    #[schema(min_items = 1, max_items = 1000)]
    users: Vec<BatchItem>,
}

/// What came of a batch.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"results": [
    {"outcome": "created", "user_id": "65f0c0ffee0000000000abcd"},
    {"outcome": "refused", "code": "email_taken",
     "detail": "Somebody has registered with this email address."},
]}))]
pub(in crate::http) struct BatchReply {
    /// One for each user, in the order of the request.
    results: Vec<BatchResult>,
}

/// Make users
///
/// Each is made or refused by itself. A batch that was cut off, by the deadline of a
/// request too, goes on where it was when it is sent again with the same
/// Idempotency-Key: those made before are `already_created`. Their passwords are not
/// compared again. Who gets no password sets one by a password reset.
#[utoipa::path(
    post,
    path = "/v1/users/batch",
    tag = "users",
    params(("Idempotency-Key" = String, Header, description = "New for each new batch.",
            pattern = "^[!-~]{1,255}$", example = "import-2026-01")),
    request_body = BatchRequest,
    security(("token" = ["users:admin"])),
    responses(
        (status = 200, description = "What came of each.", body = BatchReply),
        AnyProblem, BodyProblem, TokenProblem,
    )
)]
pub(in crate::http) async fn batch(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    trace: TraceContext,
    body: Result<Json<BatchRequest, MAX_BYTES>, Problem>,
) -> Result<axum::Json<BatchReply>, ApiError> {
    let actor = admin::acting(&app, &caller).await?;
    let key = idempotency_key(&headers)?.ok_or_else(key_required)?;
    let Json(BatchRequest { users }) = body?;
    if !(1..=MAX_USERS).contains(&users.len()) {
        let detail = format!("Give 1 to {MAX_USERS} users.");
        return Err(Problem::invalid(vec![FieldError::new("/users", "invalid_length", detail)]).into());
    }
    let making = users.into_iter().enumerate().map(|(place, item)| {
        let (app, actor, key) = (app.clone(), actor.clone(), key.of_item(&actor, place));
        let traceparent = trace.traceparent();
        async move { item.make(&app, &actor, (place, key), traceparent).await }
    });
    let results = stream::iter(making).buffered(AT_ONCE).try_collect().await?;
    Ok(axum::Json(BatchReply { results }))
}

fn key_required() -> Problem {
    let detail = "Send an Idempotency-Key header: any text of your choice, new for each new batch and the \
                  same when you send a batch again. So a repetition makes nobody twice.";
    Problem::bad_request("idempotency_key_required", detail)
}
