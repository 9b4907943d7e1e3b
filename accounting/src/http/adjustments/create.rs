//! `POST /v1/accounts/{user_id}/adjustments`

use accrue_chassis::http::{Json, Path};
use accrue_chassis::problem::{FieldError, Problem};
use accrue_chassis::problem_docs::{AnyProblem, BodyProblem, ProblemBody, TokenProblem};
use accrue_chassis::tokens::Caller;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::directory::OnUnknownUser;
use crate::http::error::ApiError;
use crate::http::fields::Fields;
use crate::http::{Accounting, Newcomers, booking, idempotency, newcomers, user_id};
use crate::ledger::{Action, Adjust, AdjustmentReply, CREDITS_LIMIT, Correction};

/// A correction: either `credits` or `set_available`.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[schema(example = json!({"credits": -15, "reason": "booked twice"}))]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct AdjustmentRequest {
    /// How many to add, or, if negative, to take away.
    #[schema(minimum = -9_007_199_254_740_991_i64, maximum = 9_007_199_254_740_991_i64)]
    credits: Option<i64>,
    /// What is to be available after it, whatever it is by then.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    set_available: Option<i64>,
    /// Why.
    #[schema(min_length = 1, max_length = 500)]
    reason: String,
    /// What to do if the user has no account: `placeholder` opens one, `verify` asks auth first,
    /// `reject` refuses. What accounting is set to, if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    on_unknown_user: Option<OnUnknownUser>,
}

impl AdjustmentRequest {
    fn check(&self, newcomers: &Newcomers) -> Result<Correction, Problem> {
        let by = self.credits.is_none_or(|n| n != 0 && (1 - CREDITS_LIMIT..CREDITS_LIMIT).contains(&n));
        let to = self.set_available.is_none_or(|n| (0..CREDITS_LIMIT).contains(&n));
        let has_one = self.credits.is_some() != self.set_available.is_some();
        Fields::new()
            .require(has_one, || {
                FieldError::new("/credits", "choose_one", "Give either credits or set_available.")
            })
            .require(by, || {
                let detail =
                    "credits must be a whole number, not 0, from -9007199254740991 to 9007199254740991.";
                FieldError::new("/credits", "out_of_range", detail)
            })
            .require(to, || {
                let detail = "set_available must be a whole number from 0 to 9007199254740991.";
                FieldError::new("/set_available", "out_of_range", detail)
            })
            .require(!self.reason.trim().is_empty(), || {
                FieldError::new("/reason", "required", "reason must say why.")
            })
            .reason(Some(&self.reason))
            .unknown_user(self.on_unknown_user, newcomers)
            .finish()?;
        let by = self.credits.map(Correction::By);
        Ok(by.unwrap_or(Correction::SetAvailable(self.set_available.unwrap_or_default())))
    }
}

/// Correct a balance
///
/// Computed while the account is locked, so that two at once cannot both start from the
/// old balance. Credits that are added have no end; those that are taken are drawn as
/// spending draws them, never below zero and never from what is reserved.
#[utoipa::path(
    post,
    path = "/v1/accounts/{user_id}/adjustments",
    tag = "adjustments",
    params(
        ("user_id" = String, Path, description = "Whose account.", min_length = 1, max_length = 50),
        ("Idempotency-Key" = String, Header, description = "New for each new request.",
         min_length = 1, max_length = 255, example = "ticket-88"),
    ),
    request_body = AdjustmentRequest,
    security(("token" = ["credits:write"])),
    responses(
        (status = 201, description = "Corrected; `Location` is the entry.", body = AdjustmentReply),
        (status = 402, description = "Too little is available: `available` and `required` say how much.",
         body = ProblemBody, content_type = "application/problem+json"),
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
    Json(request): Json<AdjustmentRequest>,
) -> Result<Response, ApiError> {
    user_id::check(&id)?;
    let change = request.check(&accounting.newcomers)?;
    let key = idempotency::required_key(&headers, &caller, "adjust", &request)?;
    newcomers::admit(&accounting, &id, request.on_unknown_user).await?;
    let action = Action::Adjust(Adjust { adjustment_id: Uuid::now_v7(), change, reason: request.reason });
    booking::book(&accounting, (id, &caller), (Some(key), action), StatusCode::CREATED).await
}
