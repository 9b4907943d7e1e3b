//! Dead letters over HTTP, for whoever looks after events.

pub(super) mod delete;
pub(super) mod get;
pub(super) mod list;
pub(super) mod redrive;

use std::time::Duration;

use accrue_chassis::problem::{FieldError, Problem};
use accrue_events::broker::BrokerError;

use super::error::ApiError;

/// How long a walk through the letters may take; past it, what was seen or done is told.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the broker may take in all, so that an answer comes before a request's deadline.
const LIMIT: Duration = Duration::from_secs(8);
/// The longest id of a message, in bytes: AMQP ends it there.
const MAX_ID_BYTES: usize = 255;

/// Waits for the broker, but not for ever. What is given up on loses no letter.
async fn within<T>(call: impl Future<Output = Result<T, BrokerError>>) -> Result<T, ApiError> {
    match tokio::time::timeout(LIMIT, call).await {
        Ok(answer) => answer.map_err(ApiError::Broker),
        Err(_) => Err(ApiError::Broker(BrokerError::Timeout { what: "about dead letters", limit: LIMIT })),
    }
}

fn check_id(pointer: &str, id: &str) -> Result<(), Problem> {
    if (1..=MAX_ID_BYTES).contains(&id.len()) {
        return Ok(());
    }
    let detail = format!("The id of a dead letter has 1 to {MAX_ID_BYTES} bytes.");
    Err(Problem::invalid(vec![FieldError::new(pointer, "out_of_range", detail)]))
}

fn unknown_letter() -> Problem {
    let detail = "There is no dead letter of this id: it was sent back, dropped, or somebody else is looking \
                  through the letters right now.";
    Problem::not_found("dead_letter_not_found", detail)
}
