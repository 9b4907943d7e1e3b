//! `POST /v1/users/resend-verification`: another mail with another token.

use accrue_chassis::http::{ClientAddress, Json};
use accrue_chassis::problem_docs::{AnyProblem, BodyProblem, LimitProblem};
use axum::extract::State;
use axum::http::StatusCode;

use crate::domain::User;
use crate::http::App;
use crate::http::error::ApiError;
use crate::http::password_resets::AddressBody;
use crate::limits::Limit;

/// Ask for another mail to verify an address
///
/// The answer is the same whether or not the address is anybody's, or verified already.
/// The token of the mail before is void.
#[utoipa::path(
    post,
    path = "/v1/users/resend-verification",
    tag = "users",
    request_body = AddressBody,
    security(()),
    responses(
        (status = 202, description = "If there is something to verify, a mail is on its way."),
        AnyProblem, BodyProblem, LimitProblem,
    )
)]
pub(in crate::http) async fn resend(
    State(app): State<App>,
    client: ClientAddress,
    Json(body): Json<AddressBody>,
) -> Result<StatusCode, ApiError> {
    let email = body.check()?;
    let _ = app.limits.admit(Limit::ResetByPeer, &client.subject()).await?.or_problem()?;
    let _ = app.limits.admit(Limit::MailByAddress, email.as_str()).await?.or_problem()?;
    let is_for = |user: &User| !user.email_verified;
    app.mailing.post(&app, &email, is_for, |composer| composer.verification(&email)).await?;
    Ok(StatusCode::ACCEPTED)
}
