//! `POST /v1/accounts/{user_id}/usage`

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
use crate::ledger::{Action, UsageReply, Use};

/// What to spend: either `credits` or `units`.
// `units` came later, and is left out of the fingerprint where it is not given, so that
// a request is the same to the release before.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[schema(example = json!({"credits": 12, "resource": "chat"}))]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct UsageRequest {
    /// How many credits.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    credits: Option<i64>,
    /// How much of which kind was used. It costs what the rate in force of `resource` says,
    /// rounded up once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<BTreeMap<String, u64>>)]
    units: Option<Distinct<u64>>,
    /// What for. Needed with `units`.
    #[schema(min_length = 1, max_length = 100)]
    resource: Option<String>,
    /// Whatever you want kept with it.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Map<String, Value>>,
}

/// Spend credits
///
/// From the allocations of the lowest priority first, of these from the one that ends
/// soonest, of these from the oldest. All or nothing: where too little is available
/// the answer is 402 and nothing has changed.
#[utoipa::path(
    post,
    path = "/v1/accounts/{user_id}/usage",
    tag = "usage",
    params(
        ("user_id" = String, Path, description = "Whose account.", min_length = 1, max_length = 50),
        ("Idempotency-Key" = String, Header, description = "New for each new request.",
         min_length = 1, max_length = 255, example = "request-4711"),
    ),
    request_body = UsageRequest,
    security(("token" = ["usage:write"])),
    responses(
        (status = 201, description = "Spent.", body = UsageReply),
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
    Json(request): Json<UsageRequest>,
) -> Result<Response, ApiError> {
    user_id::check(&id)?;
    let cost = Fields::new()
        .resource(request.resource.as_ref())
        .require(request.units.is_none() || request.resource.is_some(), cost::resource_required)
        .finish_with(cost::required(request.credits, request.units.as_ref()))?;
    let key = idempotency::required_key(&headers, &caller, "use", &request)?;
    if request.units.is_some() {
        // They may come to nothing, which opens an account.
        newcomers::admit(&accounting, &id, None).await?;
    }
    let action = Action::Use(Use {
        usage_id: Uuid::now_v7(),
        cost,
        resource: request.resource,
        metadata: request.metadata.map(Value::Object),
    });
    booking::book(&accounting, (id, &caller), (Some(key), action), StatusCode::CREATED).await
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_request_of_the_release_before_is_still_the_same() {
        let request: UsageRequest = serde_json::from_value(json!({"credits": 5})).expect("a request");
        let fingerprinted = serde_json::to_value(&request).expect("JSON");
        assert_eq!(fingerprinted, json!({"credits": 5, "resource": null, "metadata": null}));
        let given = json!({"credits": null, "units": {"tokens": 5}, "resource": "chat", "metadata": null});
        let request: UsageRequest = serde_json::from_value(given.clone()).expect("a request");
        assert_eq!(serde_json::to_value(&request).expect("JSON"), given);
    }
}
