//! `POST /v1/accounts/{user_id}/reservations/{reservation_id}/capture`

use accrue_chassis::http::{Json, Path};
use accrue_chassis::problem_docs::{AnyProblem, BodyProblem, NotFoundProblem, ProblemBody, TokenProblem};
use accrue_chassis::tokens::Caller;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::parse_id;
use crate::http::distinct::Distinct;
use crate::http::error::ApiError;
use crate::http::fields::Fields;
use crate::http::{Accounting, booking, cost, idempotency, user_id};
use crate::ledger::{Action, Capture, CaptureReply, OnShortfall};

/// What is to be spent of what is held: `credits` or `units`, or all of it.
// `units` came later, and is left out of the fingerprint where it is not given.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[schema(example = json!({"credits": 25}))]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct CaptureRequest {
    /// How many credits in all; with neither this nor `units` what is held.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    credits: Option<i64>,
    /// How much of which kind was used. It costs what the rate that is in force by now of
    /// the reservation's `resource` says, rounded up once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<BTreeMap<String, u64>>)]
    units: Option<Distinct<u64>>,
    /// What to do where more is asked for than is held and available.
    #[serde(default)]
    on_shortfall: Shortfall,
}

/// What to do where too little is there.
#[derive(Debug, Default, Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::http) enum Shortfall {
    /// Capture nothing.
    #[default]
    Reject,
    /// Capture what is there, and record the rest as `uncollected`.
    Cap,
}

impl From<Shortfall> for OnShortfall {
    fn from(shortfall: Shortfall) -> Self {
        match shortfall {
            Shortfall::Reject => Self::Reject,
            Shortfall::Cap => Self::Cap,
        }
    }
}

/// Capture a reservation
///
/// It becomes a usage. Of less than it holds the rest comes back; what is lacking to
/// more is drawn from what is available. Of two captures at once one wins.
#[utoipa::path(
    post,
    path = "/v1/accounts/{user_id}/reservations/{reservation_id}/capture",
    tag = "reservations",
    params(
        ("user_id" = String, Path, description = "Whose account.", min_length = 1, max_length = 50),
        ("reservation_id" = String, Path, description = "Which reservation."),
        ("Idempotency-Key" = String, Header, description = "New for each new request.",
         min_length = 1, max_length = 255, example = "stream-4711-done"),
    ),
    request_body = CaptureRequest,
    security(("token" = ["usage:write"])),
    responses(
        (status = 201, description = "Captured; `Location` is the usage.", body = CaptureReply),
        (status = 402, description = "Too little is available: `available` and `required` say how much, on top \
         of what is held.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "The reservation holds nothing any more, more was asked for of a closed \
         account, no rate of its resource is in force, or the key's reply is no longer kept.",
         body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "The key came before with another request.",
         body = ProblemBody, content_type = "application/problem+json"),
        AnyProblem, BodyProblem, TokenProblem, NotFoundProblem,
    )
)]
pub(in crate::http) async fn capture(
    State(accounting): State<Accounting>,
    caller: Caller,
    Path((id, reservation_id)): Path<(String, String)>,
    headers: HeaderMap,
    Json(request): Json<CaptureRequest>,
) -> Result<Response, ApiError> {
    user_id::check(&id)?;
    let reservation_id = parse_id(&reservation_id)?;
    let cost = Fields::new().finish_with(cost::optional(request.credits, request.units.as_ref()))?;
    let operation = format!("capture {reservation_id}");
    let key = idempotency::required_key(&headers, &caller, &operation, &request)?;
    let action = Action::Capture(Capture {
        reservation_id,
        usage_id: Uuid::now_v7(),
        cost,
        on_shortfall: request.on_shortfall.into(),
    });
    booking::book(&accounting, (id, &caller), (Some(key), action), StatusCode::CREATED).await
}
