//! `GET /v1/accounts/{user_id}/reservations/{reservation_id}`

use accrue_chassis::http::Path;
use accrue_chassis::problem_docs::{AnyProblem, NotFoundProblem, TokenProblem};
use axum::Json;
use axum::extract::State;

use super::{parse_id, unknown_reservation};
use crate::http::Accounting;
use crate::http::accounts::readable;
use crate::http::error::ApiError;
use crate::ledger::ReservationView;

/// One reservation
#[utoipa::path(
    get,
    path = "/v1/accounts/{user_id}/reservations/{reservation_id}",
    tag = "reservations",
    params(
        ("user_id" = String, Path, description = "Whose account.", min_length = 1, max_length = 50),
        ("reservation_id" = String, Path, description = "Which reservation."),
    ),
    security(("token" = ["accounts:read"]), ("owner" = [])),
    responses(
        (status = 200, description = "The reservation.", body = ReservationView),
        AnyProblem, TokenProblem, NotFoundProblem,
    )
)]
pub(in crate::http) async fn get(
    State(accounting): State<Accounting>,
    Path((id, reservation_id)): Path<(String, String)>,
) -> Result<Json<ReservationView>, ApiError> {
    readable(&accounting, &id).await?;
    let reservation_id = parse_id(&reservation_id)?;
    let found = accounting.store.reservation(&id, reservation_id).await?.ok_or_else(unknown_reservation)?;
    Ok(Json(ReservationView::new(&id, &found)))
}
