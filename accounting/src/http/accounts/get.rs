//! `GET /v1/accounts/{user_id}`, at once or when the user's event has arrived

use accrue_chassis::http::Path;
use accrue_chassis::problem_docs::{AnyProblem, NotFoundProblem, TokenProblem};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse as _, Response};

use super::{AccountBody, readable, unknown_account};
use crate::http::error::ApiError;
use crate::http::{Accounting, prefer, user_id};

/// One account
///
/// With what can be spent now: credits that have run out do not count. With `Prefer: wait=5` the answer
/// is given as soon as the event of the user's registration has arrived, within so many seconds; then
/// it is what there is. `Preference-Applied` says how long it would have waited at most.
#[utoipa::path(
    get,
    path = "/v1/accounts/{user_id}",
    tag = "accounts",
    params(
        ("user_id" = String, Path, description = "Whose account.", min_length = 1, max_length = 50),
        ("Prefer" = Option<String>, Header, description = "`wait=N`: how many seconds to wait at most \
         while there is no account, or a placeholder.", example = "wait=5"),
    ),
    security(("token" = ["accounts:read"]), ("owner" = [])),
    responses(
        (status = 200, description = "The account.", body = AccountBody),
        AnyProblem, TokenProblem, NotFoundProblem,
    )
)]
pub(in crate::http) async fn get(
    State(accounting): State<Accounting>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let wait = prefer::wait_s(&headers).and_then(|wait_s| accounting.waiting.begin(wait_s));
    let Some(wait) = wait else {
        return Ok(Json(AccountBody::from(readable(&accounting, &id).await?)).into_response());
    };
    user_id::check(&id)?;
    let found = wait.for_account(&accounting.store, &id).await?;
    let answer = found.map(|view| Json(AccountBody::from(view))).ok_or_else(unknown_account);
    let mut response = answer.into_response();
    if let Ok(applied) = HeaderValue::from_str(&format!("wait={}", wait.seconds())) {
        response.headers_mut().insert("preference-applied", applied);
    }
    Ok(response)
}
