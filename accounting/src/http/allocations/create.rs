//! `POST /v1/accounts/{user_id}/allocations`

use accrue_chassis::http::{Json, Path};
use accrue_chassis::problem_docs::{AnyProblem, BodyProblem, ProblemBody, TokenProblem};
use accrue_chassis::tokens::Caller;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::directory::OnUnknownUser;
use crate::http::error::ApiError;
use crate::http::fields::{Fields, priority_out_of_range, utc};
use crate::http::{Accounting, Newcomers, booking, idempotency, newcomers, user_id};
use crate::ledger::{Action, Allocate, AllocationReply, DEFAULT_PRIORITY, MAX_PRIORITY};

/// Credits to add.
// Members that came later are left out of the fingerprint where they are not given, so
// that a request is the same to the release before.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[schema(example = json!({"credits": 100, "reason": "first purchase"}))]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct AllocationRequest {
    /// How many.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    pub(super) credits: i64,
    /// Why.
    #[schema(max_length = 500)]
    pub(super) reason: Option<String>,
    /// Whatever you want kept with it.
    #[schema(value_type = Option<Object>)]
    pub(super) metadata: Option<Map<String, Value>>,
    /// What of lower priority is spent first; 50 if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 100, default = 50)]
    pub(super) priority: Option<i16>,
    /// From when on it can be spent, if not at once.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "time::serde::rfc3339::option")]
    pub(super) effective_at: Option<OffsetDateTime>,
    /// From when on it cannot be spent any more.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "time::serde::rfc3339::option")]
    pub(super) expires_at: Option<OffsetDateTime>,
    /// What to do if the user has no account: `placeholder` opens one, `verify` asks auth first,
    /// `reject` refuses. What accounting is set to, if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) on_unknown_user: Option<OnUnknownUser>,
}

impl AllocationRequest {
    /// Adds what is wrong with it.
    pub(super) fn check(&self, fields: Fields, newcomers: &Newcomers) -> Fields {
        let has_priority = self.priority.is_none_or(|priority| (0..=MAX_PRIORITY).contains(&priority));
        fields
            .credits(self.credits)
            .reason(self.reason.as_ref())
            .require(has_priority, priority_out_of_range)
            .instant("/effective_at", self.effective_at)
            .instant("/expires_at", self.expires_at)
            .unknown_user(self.on_unknown_user, newcomers)
    }

    /// The order that it is, with a fresh id.
    pub(super) fn order(self) -> Allocate {
        Allocate {
            allocation_id: Uuid::now_v7(),
            credits: self.credits,
            priority: self.priority.unwrap_or(DEFAULT_PRIORITY),
            effective_at: self.effective_at.and_then(utc),
            expires_at: self.expires_at.and_then(utc),
            reason: self.reason,
            metadata: self.metadata.map(Value::Object),
        }
    }
}

/// Allocate credits
///
/// To any user, known here or not: one who is not gets a placeholder account, which
/// the event of their registration makes active, unless `on_unknown_user` says otherwise. Sent again with the same key it
/// answers the same, byte for byte, with `Idempotency-Replayed: true`.
#[utoipa::path(
    post,
    path = "/v1/accounts/{user_id}/allocations",
    tag = "allocations",
    params(
        ("user_id" = String, Path, description = "Whose account.", min_length = 1, max_length = 50),
        ("Idempotency-Key" = String, Header, description = "New for each new request.",
         min_length = 1, max_length = 255, example = "order-1017"),
    ),
    request_body = AllocationRequest,
    security(("token" = ["credits:write"])),
    responses(
        (status = 201, description = "Allocated.", body = AllocationReply),
        (status = 404, description = "The user has no account, and none is opened.",
         body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "The account is closed or full, the user was deleted, or the key's reply \
         is no longer kept.",
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
    Json(request): Json<AllocationRequest>,
) -> Result<Response, ApiError> {
    user_id::check(&id)?;
    request.check(Fields::new(), &accounting.newcomers).finish()?;
    let key = idempotency::required_key(&headers, &caller, "allocate", &request)?;
    newcomers::admit(&accounting, &id, request.on_unknown_user).await?;
    let action = Action::Allocate(request.order());
    booking::book(&accounting, (id, &caller), (Some(key), action), StatusCode::CREATED).await
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_request_of_the_release_before_is_still_the_same() {
        let request: AllocationRequest = serde_json::from_value(json!({"credits": 5})).expect("a request");
        let fingerprinted = serde_json::to_value(&request).expect("JSON");
        assert_eq!(fingerprinted, json!({"credits": 5, "reason": null, "metadata": null}));
        let given = json!({"credits": 5, "reason": null, "metadata": null, "priority": 50,
                           "expires_at": "2026-01-02T03:04:05Z"});
        let request: AllocationRequest = serde_json::from_value(given.clone()).expect("a request");
        assert_eq!(serde_json::to_value(&request).expect("JSON"), given);
    }
}
