//! `DELETE /v1/admin/dead-letters/{id}`

use std::sync::Arc;

use accrue_chassis::http::{Path, SECURITY_LOG};
use accrue_chassis::problem_docs::{AnyProblem, NotFoundProblem, TokenProblem};
use accrue_chassis::tokens::Caller;
use axum::extract::State;
use axum::http::StatusCode;

use super::{check_id, unknown_letter, within};
use crate::http::Accounting;
use crate::http::error::ApiError;

/// Drop a dead letter
///
/// It is gone for good. An event on a user can be published anew by a change to that user.
#[utoipa::path(
    delete,
    path = "/v1/admin/dead-letters/{id}",
    tag = "dead letters",
    params(("id" = String, Path, description = "The letter's id.", min_length = 1, max_length = 255)),
    security(("token" = ["events:admin"])),
    responses(
        (status = 204, description = "It is gone."),
        AnyProblem, TokenProblem, NotFoundProblem,
    )
)]
pub(in crate::http) async fn delete(
    State(accounting): State<Accounting>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    check_id("", &id)?;
    let (dead_letters, actor) = (Arc::clone(&accounting.dead_letters), caller.actor());
    // To the end: a letter that was dropped is told of, whoever has gone meanwhile.
    let dropping = accounting.lifecycle.run_to_end(async move {
        let was_there = within(dead_letters.drop_letter(&id)).await;
        if matches!(was_there, Ok(true)) {
            tracing::info!(target: SECURITY_LOG, event = "dead_letter_dropped", actor, letter_id = id);
        }
        was_there
    });
    if dropping.await?? { Ok(StatusCode::NO_CONTENT) } else { Err(unknown_letter().into()) }
}
