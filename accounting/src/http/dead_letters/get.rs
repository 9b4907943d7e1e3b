//! `GET /v1/admin/dead-letters/{id}`

use accrue_chassis::http::{Path, SECURITY_LOG};
use accrue_chassis::problem_docs::{AnyProblem, NotFoundProblem, TokenProblem};
use accrue_chassis::tokens::Caller;
use accrue_events::broker::{DeadLetter, LetterSummary};
use axum::Json;
use axum::extract::State;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{check_id, unknown_letter, within};
use crate::http::Accounting;
use crate::http::error::ApiError;

/// A dead letter as a whole.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct DeadLetterBody {
    #[serde(flatten)]
    summary: LetterSummary,
    /// What the producer says that the body is.
    content_type: Option<String>,
    /// The W3C trace context of the request that led to it.
    traceparent: Option<String>,
    /// The body, where it is JSON. An event on a user holds personal data.
    event: Option<Value>,
    /// The body in base64, where it is anything else.
    body_base64: Option<String>,
}

impl From<DeadLetter> for DeadLetterBody {
    fn from(letter: DeadLetter) -> Self {
        let event: Option<Value> = serde_json::from_slice(&letter.body).ok();
        Self {
            summary: letter.summary(),
            body_base64: event.is_none().then(|| STANDARD.encode(&letter.body)),
            event,
            content_type: letter.content_type,
            traceparent: letter.traceparent,
        }
    }
}

/// One dead letter, with its body
///
/// The body of an event on a user holds personal data; that it was read is in the security log.
#[utoipa::path(
    get,
    path = "/v1/admin/dead-letters/{id}",
    tag = "dead letters",
    params(("id" = String, Path, description = "The letter's id.", min_length = 1, max_length = 255)),
    security(("token" = ["events:admin"])),
    responses(
        (status = 200, description = "The letter.", body = DeadLetterBody),
        AnyProblem, TokenProblem, NotFoundProblem,
    )
)]
pub(in crate::http) async fn get(
    State(accounting): State<Accounting>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<DeadLetterBody>, ApiError> {
    check_id("", &id)?;
    let letter = within(accounting.dead_letters.find(&id)).await?.ok_or_else(unknown_letter)?;
    tracing::info!(target: SECURITY_LOG, event = "dead_letter_read", actor = caller.actor(), letter_id = id);
    Ok(Json(letter.into()))
}
