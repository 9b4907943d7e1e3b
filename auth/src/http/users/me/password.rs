//! `PUT /v1/users/me/password`: another password, for the one that it was.

use accrue_chassis::http::{Json, TraceContext};
use accrue_chassis::problem::Problem;
use accrue_chassis::problem_docs::{
    AnyProblem, BodyProblem, LimitProblem, NotFoundProblem, ProblemBody, TokenProblem,
};
use accrue_chassis::tokens::Caller;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{active, owner};
use crate::domain::{Edit, Password};
use crate::http::App;
use crate::http::error::ApiError;
use crate::http::users::apply::{apply_as, require_password};
use crate::http::users::fields::required;
use crate::http::users::{admin, problems};

/// Another password.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"current_password": "correct horse", "new_password": "battery staple"}))]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct PasswordRequest {
    /// The password as it is.
    #[schema(required, nullable = false, format = "password", min_length = 8, max_length = 128)]
    current_password: Option<String>,
    /// The password as it is to be: none of the most common ones.
    #[schema(required, nullable = false, format = "password", min_length = 8, max_length = 128)]
    new_password: Option<String>,
}

/// Change my password
///
/// Every other session ends.
#[utoipa::path(
    put,
    path = "/v1/users/me/password",
    tag = "me",
    request_body = PasswordRequest,
    security(("owner" = [])),
    responses(
        (status = 204, description = "The password is changed."),
        (status = 409, description = "`user_changed`: others were faster.",
         body = ProblemBody, content_type = "application/problem+json"),
        AnyProblem, BodyProblem, TokenProblem, NotFoundProblem, LimitProblem,
    )
)]
pub(in crate::http) async fn put(
    State(app): State<App>,
    caller: Caller,
    trace: TraceContext,
    Json(body): Json<PasswordRequest>,
) -> Result<StatusCode, ApiError> {
    let owner = owner(&caller, None)?;
    let login = app.store.login_of(owner.user_id).await?.ok_or_else(problems::not_found)?;
    let user = active(&login.user)?;
    let mut errors = Vec::new();
    let current = required(&mut errors, "/current_password", body.current_password, Password::parse);
    let new = required(&mut errors, "/new_password", body.new_password, |text| {
        Password::choose(text, user.email.as_ref(), user.username.as_ref())
    });
    let (Some(current), Some(new)) = (current, new) else {
        return Err(Problem::invalid(errors).into());
    };
    // Asked first: nothing is hashed for whoever does not know it, or has tried too often.
    require_password(&app, &login, &current).await?;
    let hash = app.passwords.hash(new).await?;
    apply_as(&app, &owner, &trace, |now| {
        // Whatever changes the password ends the sessions: it is the one that was compared.
        let is_same = active(now)?.session_epoch == user.session_epoch;
        if is_same { Ok(Edit::of(now).password(hash.clone())) } else { Err(problems::changed_meanwhile()) }
    })
    .await?;
    admin::log("password_changed", &caller.actor(), owner.user_id);
    Ok(StatusCode::NO_CONTENT)
}
