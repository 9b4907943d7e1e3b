//! `POST /v1/password-resets/confirm`: the token out of the mail, and a new password.

use accrue_chassis::http::{ClientAddress, Json, SECURITY_LOG, TraceContext};
use accrue_chassis::problem::{FieldError, Problem};
use accrue_chassis::problem_docs::{AnyProblem, BodyProblem, LimitProblem};
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::domain::{Edit, Password, Ticket, TicketKind};
use crate::http::App;
use crate::http::error::ApiError;
use crate::http::mailing::{holder, invalid_ticket, redeem};
use crate::limits::Limit;

/// The token out of the mail, and the new password.
#[derive(Deserialize, ToSchema)]
#[schema(as = PasswordReset, example = json!({
    "token": "q83vEjRWeJASNFZ4kBI0VniQEjRWeJASNFZ4kBI0Vng", "new_password": "battery staple",
}))]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Body {
    /// Good once, for an hour, and only the newest one.
    #[schema(required, nullable = false)]
    token: Option<String>,
    /// None of the most common ones.
    #[schema(required, nullable = false, format = "password", min_length = 8, max_length = 128)]
    new_password: Option<String>,
}

/// Choose a new password
///
/// Every session ends. The address counts as verified: the mail was read there.
#[utoipa::path(
    post,
    path = "/v1/password-resets/confirm",
    tag = "password resets",
    request_body = Body,
    security(()),
    responses(
        (status = 204, description = "The password is changed; sign in with it."),
        AnyProblem, BodyProblem, LimitProblem,
    )
)]
pub(in crate::http) async fn confirm(
    State(app): State<App>,
    client: ClientAddress,
    trace: TraceContext,
    Json(body): Json<Body>,
) -> Result<StatusCode, ApiError> {
    let (token, password) = body.check().map_err(Problem::invalid)?;
    let ticket = Ticket::parse(&token).map_err(|_| invalid_ticket())?;
    let slot = app.limits.admit(Limit::TicketByPeer, &client.subject()).await?.or_problem()?;
    // Looked at before anything is hashed, and again when it is used.
    let user = holder(&app, TicketKind::Reset, &ticket).await?;
    let password = Password::choose(password, user.email.as_ref(), user.username.as_ref());
    let password = password.map_err(|error| {
        Problem::invalid(vec![FieldError::new("/new_password", "invalid_value", error.to_string())])
    })?;
    let hash = app.passwords.hash(password).await?;
    let change = |user: &_| Ok(Edit::of(user).password(hash.clone()).verify_email());
    let user = redeem(&app, TicketKind::Reset, &ticket, trace.traceparent(), change).await?;
    app.limits.give_back(slot).await?;
    tracing::info!(target: SECURITY_LOG, event = "password_reset", user_id = user.user_id);
    Ok(StatusCode::NO_CONTENT)
}

impl Body {
    fn check(self) -> Result<(String, String), Vec<FieldError>> {
        let mut errors = Vec::new();
        for (pointer, is_missing) in
            [("/token", self.token.is_none()), ("/new_password", self.new_password.is_none())]
        {
            if is_missing {
                let detail = format!("Give the field `{}`.", &pointer[1..]);
                errors.push(FieldError::new(pointer, "required", detail));
            }
        }
        self.token.zip(self.new_password).ok_or(errors)
    }
}
