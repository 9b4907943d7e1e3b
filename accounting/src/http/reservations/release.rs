//! `POST /v1/accounts/{user_id}/reservations/{reservation_id}/release`

use accrue_chassis::http::Path;
use accrue_chassis::problem_docs::{AnyProblem, NotFoundProblem, ProblemBody, TokenProblem};
use accrue_chassis::tokens::Caller;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use super::parse_id;
use crate::http::error::ApiError;
use crate::http::{Accounting, booking, idempotency, user_id};
use crate::ledger::{Action, ReservationReply};

/// Release a reservation
///
/// What it holds can be spent again, unless its allocation has ended meanwhile.
#[utoipa::path(
    post,
    path = "/v1/accounts/{user_id}/reservations/{reservation_id}/release",
    tag = "reservations",
    params(
        ("user_id" = String, Path, description = "Whose account.", min_length = 1, max_length = 50),
        ("reservation_id" = String, Path, description = "Which reservation."),
        ("Idempotency-Key" = String, Header, description = "New for each new request.",
         min_length = 1, max_length = 255, example = "stream-4711-cancelled"),
    ),
    security(("token" = ["usage:write"])),
    responses(
        (status = 200, description = "Released.", body = ReservationReply),
        (status = 409, description = "The reservation holds nothing any more, or the key's reply is no longer \
         kept.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "The key came before with another request.",
         body = ProblemBody, content_type = "application/problem+json"),
        AnyProblem, TokenProblem, NotFoundProblem,
    )
)]
pub(in crate::http) async fn release(
    State(accounting): State<Accounting>,
    caller: Caller,
    Path((id, reservation_id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    user_id::check(&id)?;
    let reservation_id = parse_id(&reservation_id)?;
    let operation = format!("release {reservation_id}");
    let key = idempotency::required_key(&headers, &caller, &operation, &())?;
    let action = Action::Release { reservation_id };
    booking::book(&accounting, (id, &caller), (Some(key), action), StatusCode::OK).await
}
