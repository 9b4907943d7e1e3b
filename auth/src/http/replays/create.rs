//! `POST /v1/replays`: the present state of users, published once more.

use std::sync::Arc;

use accrue_chassis::http::{Json, SECURITY_LOG, TraceContext};
use accrue_chassis::problem::{FieldError, Problem};
use accrue_chassis::problem_docs::{AnyProblem, BodyProblem, TokenProblem};
use accrue_chassis::tokens::Caller;
use accrue_events::user::{VERSION_LIMIT, is_valid_user_id};
use axum::extract::State;
use axum::http::StatusCode;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::http::App;
use crate::http::error::ApiError;
use crate::http::users::admin::{EVENTS_ADMIN, acting_by};
use crate::replaying::{Replayed, replay};

/// How many users one request may name.
const MAX_USERS: usize = 1_000;
/// What the request may hold.
const MAX_BYTES: usize = 1024 * 1024;
/// How many of them are under way at once.
const AT_ONCE: usize = 8;
/// Whom to tell of.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct ReplayRequest {
    /// Each of them by itself; the outcomes come in the same order.
    #[schema(min_items = 1, max_items = 1000)]
    users: Vec<ReplayedUser>,
}

/// One user to tell of.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ReplayedUser {
    /// Who.
    #[schema(min_length = 1, max_length = 50, example = "65f0c0ffee0000000000abcd")]
    user_id: String,
    /// The version that a consumer knows though auth does not, since it was restored from a backup:
    /// the user moves to one above it.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_990_i64)]
    above: Option<i64>,
}

/// What came of it.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct ReplayReply {
    /// One for each user, in the order of the request.
    data: Vec<ReplayOutcome>,
}

/// What came of it for one user.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"user_id": "65f0c0ffee0000000000abcd", "outcome": "queued"}))]
struct ReplayOutcome {
    /// Who.
    user_id: String,
    /// `queued`; `unknown`, if there is no such user; `busy`, if the user is being changed: ask again.
    #[schema(pattern = "^(queued|unknown|busy)$")]
    outcome: &'static str,
}

/// Publish the state of users once more
///
/// For a consumer that is new, or was restored from a backup. Each event has the version that the
/// user has, so that whoever knows it changes nothing; tombstones are published too. They wait in
/// the outbox like every other event.
#[utoipa::path(
    post,
    path = "/v1/replays",
    tag = "events",
    request_body = ReplayRequest,
    security(("token" = ["events:admin"])),
    responses(
        (status = 202, description = "What came of each.", body = ReplayReply),
        AnyProblem, BodyProblem, TokenProblem,
    )
)]
pub(in crate::http) async fn create(
    State(app): State<App>,
    caller: Caller,
    trace: TraceContext,
    body: Result<Json<ReplayRequest, MAX_BYTES>, Problem>,
) -> Result<(StatusCode, axum::Json<ReplayReply>), ApiError> {
    let actor = acting_by(&app, &caller, EVENTS_ADMIN).await?;
    let Json(ReplayRequest { users }) = body?;
    check(&users)?;
    let replaying = users.into_iter().map(|user| one(&app, user, trace.traceparent()));
    let data: Vec<ReplayOutcome> = stream::iter(replaying).buffered(AT_ONCE).try_collect().await?;
    tracing::info!(target: SECURITY_LOG, event = "users_replayed", actor, users = data.len());
    Ok((StatusCode::ACCEPTED, axum::Json(ReplayReply { data })))
}

fn check(users: &[ReplayedUser]) -> Result<(), Problem> {
    if !(1..=MAX_USERS).contains(&users.len()) {
        let detail = format!("Give 1 to {MAX_USERS} users.");
        return Err(Problem::invalid(vec![FieldError::new("/users", "invalid_length", detail)]));
    }
    let is_wrong =
        |user: &ReplayedUser| user.above.is_some_and(|above| !(0..VERSION_LIMIT - 1).contains(&above));
    let wrong = users.iter().enumerate().filter(|(_, user)| is_wrong(user)).map(|(place, _)| {
        let pointer = format!("/users/{place}/above");
        FieldError::new(pointer, "invalid_version", "above must be a version: 0 or more, below 2^53 - 1.")
    });
    let wrong: Vec<FieldError> = wrong.collect();
    if wrong.is_empty() { Ok(()) } else { Err(Problem::invalid(wrong)) }
}

/// To the end, even if the client hangs up.
async fn one(app: &App, user: ReplayedUser, traceparent: String) -> Result<ReplayOutcome, ApiError> {
    let ReplayedUser { user_id, above } = user;
    if !is_valid_user_id(&user_id) {
        return Ok(ReplayOutcome { user_id, outcome: "unknown" });
    }
    let (store, wake, now) = (Arc::clone(&app.store), Arc::clone(&app.wake), app.clock.now());
    let replayed = app.lifecycle.run_to_end(async move {
        let replayed = replay(&*store, (&user_id, above), now, Some(&traceparent)).await;
        wake.notify_one();
        replayed.map(|replayed| (user_id, replayed))
    });
    let (user_id, replayed) = replayed.await??;
    let outcome = match replayed {
        Replayed::Queued => "queued",
        Replayed::Unknown => "unknown",
        Replayed::Busy => "busy",
    };
    Ok(ReplayOutcome { user_id, outcome })
}
