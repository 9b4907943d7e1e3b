//! `POST /v1/users/verify-email`: the token out of the mail shows whose the address is.

use accrue_chassis::http::{ClientAddress, Json, SECURITY_LOG, TraceContext};
use accrue_chassis::problem::{FieldError, Problem};
use accrue_chassis::problem_docs::{AnyProblem, BodyProblem, LimitProblem};
use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::domain::{Edit, NewAddress, Ticket, TicketKind, User};
use crate::http::App;
use crate::http::error::ApiError;
use crate::http::mailing::{invalid_ticket, redeem};
use crate::http::users::UserBody;
use crate::limits::Limit;

/// The token out of the mail.
#[derive(Deserialize, ToSchema)]
#[schema(as = EmailVerification, example = json!({"token": "q83vEjRWeJASNFZ4kBI0VniQEjRWeJASNFZ4kBI0Vng"}))]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Body {
    /// Good once, for 24 hours, and only the newest one.
    #[schema(required, nullable = false)]
    token: Option<String>,
}

/// Show that an address is one's own
///
/// Where it is another one than before it takes its place, and every session ends.
#[utoipa::path(
    post,
    path = "/v1/users/verify-email",
    tag = "users",
    request_body = Body,
    security(()),
    responses(
        (status = 200, description = "The user, whose address is verified now.", body = UserBody),
        AnyProblem, BodyProblem, LimitProblem,
    )
)]
pub(in crate::http) async fn verify(
    State(app): State<App>,
    client: ClientAddress,
    trace: TraceContext,
    Json(body): Json<Body>,
) -> Result<axum::Json<UserBody>, ApiError> {
    let token = body.token.ok_or_else(|| {
        Problem::invalid(vec![FieldError::new("/token", "required", "Give the field `token`.")])
    })?;
    let ticket = Ticket::parse(&token).map_err(|_| invalid_ticket())?;
    let slot = app.limits.admit(Limit::TicketByPeer, &client.subject()).await?.or_problem()?;
    let change = |user: &_| verified(user, ticket.new_address());
    let user = redeem(&app, TicketKind::Verify, &ticket, trace.traceparent(), change).await?;
    app.limits.give_back(slot).await?;
    tracing::info!(target: SECURITY_LOG, event = "email_verified", user_id = user.user_id);
    Ok(axum::Json(UserBody::from(&user)))
}

/// The address that the user has, or the one that they asked for and have read the mail of.
fn verified(user: &User, new: Option<NewAddress>) -> Result<Edit, Problem> {
    match new {
        None => Ok(Edit::of(user).verify_email()),
        Some(new) if new.epoch == user.session_epoch => {
            Ok(Edit::of(user).email(new.email).verify_email().end_sessions())
        }
        Some(_) => Err(invalid_ticket()),
    }
}
