//! `POST /v1/accounts/{user_id}/reservations`

use accrue_chassis::http::{Json, Path};
use accrue_chassis::problem_docs::{AnyProblem, BodyProblem, ProblemBody, TokenProblem};
use accrue_chassis::tokens::Caller;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::http::distinct::Distinct;
use crate::http::error::ApiError;
use crate::http::fields::Fields;
use crate::http::{Accounting, booking, cost, idempotency, newcomers, user_id};
use crate::ledger::{Action, ReservationReply, Reserve};

/// What to hold: either `credits` or `units`.
// `units` came later, and is left out of the fingerprint where it is not given, so that
// a request is the same to the release before.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[schema(example = json!({"credits": 40, "expires_in": 600, "resource": "chat"}))]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct ReservationRequest {
    /// How many credits.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    credits: Option<i64>,
    /// How much of which kind will be used at most. It holds what the rate in force of
    /// `resource` says, rounded up once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<BTreeMap<String, u64>>)]
    units: Option<Distinct<u64>>,
    /// For how many seconds; then they come back by themselves.
    #[schema(minimum = 1, maximum = 2_592_000)]
    expires_in: i64,
    /// What for. Needed with `units`, also with those of the capture.
    #[schema(min_length = 1, max_length = 100)]
    resource: Option<String>,
    /// Whatever you want kept with it, and with the usage that it becomes.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Map<String, Value>>,
}

/// Hold credits for later
///
/// They cannot be spent otherwise until they are captured, released, or the time is over.
#[utoipa::path(
    post,
    path = "/v1/accounts/{user_id}/reservations",
    tag = "reservations",
    params(
        ("user_id" = String, Path, description = "Whose account.", min_length = 1, max_length = 50),
        ("Idempotency-Key" = String, Header, description = "New for each new request.",
         min_length = 1, max_length = 255, example = "stream-4711"),
    ),
    request_body = ReservationRequest,
    security(("token" = ["usage:write"])),
    responses(
        (status = 201, description = "Held.", body = ReservationReply),
        (status = 402, description = "Too little is available: `available` and `required` say how much.",
         body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "The user has no account, and none is opened by units that may cost nothing.",
         body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "The account is closed, no rate of the resource is in force, or the \
         key's reply is no longer kept.",
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
    Json(request): Json<ReservationRequest>,
) -> Result<Response, ApiError> {
    user_id::check(&id)?;
    let cost = Fields::new()
        .expires_in(request.expires_in)
        .resource(request.resource.as_ref())
        .require(request.units.is_none() || request.resource.is_some(), cost::resource_required)
        .finish_with(cost::required(request.credits, request.units.as_ref()))?;
    let key = idempotency::required_key(&headers, &caller, "reserve", &request)?;
    if request.units.is_some() {
        // They may come to nothing, which opens an account.
        newcomers::admit(&accounting, &id, None).await?;
    }
    let action = Action::Reserve(Reserve {
        reservation_id: Uuid::now_v7(),
        cost,
        expires_in_s: request.expires_in,
        resource: request.resource,
        metadata: request.metadata.map(Value::Object),
    });
    booking::book(&accounting, (id, &caller), (Some(key), action), StatusCode::CREATED).await
}
