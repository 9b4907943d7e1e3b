//! `POST /v1/password-resets`: somebody does not know their password any more.

use accrue_chassis::http::{ClientAddress, Json};
use accrue_chassis::problem_docs::{AnyProblem, BodyProblem, LimitProblem};
use axum::extract::State;
use axum::http::StatusCode;

use super::AddressBody;
use crate::http::App;
use crate::http::error::ApiError;
use crate::limits::Limit;

/// Ask for a new password
///
/// The answer is the same, and as quick, whether or not the address is anybody's.
#[utoipa::path(
    post,
    path = "/v1/password-resets",
    tag = "password resets",
    request_body = AddressBody,
    security(()),
    responses(
        (status = 202, description = "If the address is a user's, a mail is on its way."),
        AnyProblem, BodyProblem, LimitProblem,
    )
)]
pub(in crate::http) async fn request(
    State(app): State<App>,
    client: ClientAddress,
    Json(body): Json<AddressBody>,
) -> Result<StatusCode, ApiError> {
    let email = body.check()?;
    let _ = app.limits.admit(Limit::ResetByPeer, &client.subject()).await?.or_problem()?;
    let _ = app.limits.admit(Limit::MailByAddress, email.as_str()).await?.or_problem()?;
    // Written before it is answered: whoever is told that a mail is on its way gets it.
    app.mailing.post(&app, &email, |_| true, |composer| composer.reset(&email)).await?;
    Ok(StatusCode::ACCEPTED)
}
