//! `POST /v1/accounts/{user_id}/reservations/{reservation_id}/extend`

use accrue_chassis::http::{Json, Path};
use accrue_chassis::problem_docs::{AnyProblem, BodyProblem, NotFoundProblem, ProblemBody, TokenProblem};
use accrue_chassis::tokens::Caller;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::parse_id;
use crate::http::error::ApiError;
use crate::http::fields::Fields;
use crate::http::{Accounting, booking, idempotency, user_id};
use crate::ledger::{Action, ReservationReply};

/// For how long.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[schema(example = json!({"expires_in": 600}))]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct ExtensionRequest {
    /// For how many seconds from now. It never shortens.
    #[schema(minimum = 1, maximum = 2_592_000)]
    expires_in: i64,
}

/// Hold for longer
///
/// It moves no credits, and sending it again only holds them a little longer: so an
/// `Idempotency-Key` is taken, and not needed.
#[utoipa::path(
    post,
    path = "/v1/accounts/{user_id}/reservations/{reservation_id}/extend",
    tag = "reservations",
    params(
        ("user_id" = String, Path, description = "Whose account.", min_length = 1, max_length = 50),
        ("reservation_id" = String, Path, description = "Which reservation."),
        ("Idempotency-Key" = Option<String>, Header, description = "New for each new request.",
         min_length = 1, max_length = 255, example = "stream-4711-longer"),
    ),
    request_body = ExtensionRequest,
    security(("token" = ["usage:write"])),
    responses(
        (status = 200, description = "Extended.", body = ReservationReply),
        (status = 409, description = "The reservation holds nothing any more, the account is closed, or the \
         key's reply is no longer kept.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "The key came before with another request.",
         body = ProblemBody, content_type = "application/problem+json"),
        AnyProblem, BodyProblem, TokenProblem, NotFoundProblem,
    )
)]
pub(in crate::http) async fn extend(
    State(accounting): State<Accounting>,
    caller: Caller,
    Path((id, reservation_id)): Path<(String, String)>,
    headers: HeaderMap,
    Json(request): Json<ExtensionRequest>,
) -> Result<Response, ApiError> {
    user_id::check(&id)?;
    let reservation_id = parse_id(&reservation_id)?;
    Fields::new().expires_in(request.expires_in).finish()?;
    let operation = format!("extend {reservation_id}");
    let key = idempotency::optional_key(&headers, &caller, &operation, &request)?;
    let action = Action::Extend { reservation_id, expires_in_s: request.expires_in };
    booking::book(&accounting, (id, &caller), (key, action), StatusCode::OK).await
}
