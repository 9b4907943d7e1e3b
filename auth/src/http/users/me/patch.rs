//! `PATCH /v1/users/me`: another address, username or name.

use accrue_chassis::http::{Json, TraceContext};
use accrue_chassis::problem::{FieldError, Problem};
use accrue_chassis::problem_docs::{
    AnyProblem, BodyProblem, LimitProblem, NotFoundProblem, ProblemBody, TokenProblem,
};
use accrue_chassis::tokens::Caller;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{active, address, owner};
use crate::domain::{DisplayName, Edit, EmailAddress, Password, User, Username};
use crate::http::App;
use crate::http::error::ApiError;
use crate::http::users::apply::apply_as;
use crate::http::users::fields::{Patch, optional};
use crate::http::users::{UserBody, admin, problems};
use crate::limits::{Limit, by_user};

/// What is to change; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"display_name": "Ada L.", "username": null}))]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct ProfilePatch {
    /// Another address. Asks for `current_password`, and is not verified yet.
    #[schema(nullable = false, format = "email", max_length = 254)]
    email: Option<String>,
    /// Another username; null for none.
    #[serde(default)]
    #[schema(value_type = Option<String>, min_length = 3, max_length = 30)]
    username: Patch<String>,
    /// Another name; null for none.
    #[serde(default)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 100)]
    display_name: Patch<String>,
    /// The password, where the address changes.
    #[schema(nullable = false, format = "password", min_length = 8, max_length = 128)]
    current_password: Option<String>,
}

/// What makes sense of it.
struct Changes {
    email: Option<EmailAddress>,
    username: Patch<Username>,
    display_name: Patch<DisplayName>,
    password: Option<Password>,
}

/// Change what is known of me
///
/// Another address ends every other session. Where addresses have to be verified it is
/// the user's once the token out of the mail to it is used, and every session ends then.
#[utoipa::path(
    patch,
    path = "/v1/users/me",
    tag = "me",
    request_body = ProfilePatch,
    security(("owner" = [])),
    responses(
        (status = 200, description = "The user, changed.", body = UserBody),
        (status = 202, description = "Where addresses have to be verified: the user, changed but for the \
                                      address. A mail to it says how to go on, whether or not it is taken.",
         body = UserBody),
        (status = 409, description = "`email_taken`, `username_taken`, or `user_changed`: others were \
                                      faster each time.",
         body = ProblemBody, content_type = "application/problem+json"),
        AnyProblem, BodyProblem, TokenProblem, NotFoundProblem, LimitProblem,
    )
)]
pub(in crate::http) async fn patch(
    State(app): State<App>,
    caller: Caller,
    trace: TraceContext,
    Json(body): Json<ProfilePatch>,
) -> Result<(StatusCode, axum::Json<UserBody>), ApiError> {
    let changes = body.check().map_err(Problem::invalid)?;
    let owner = owner(&caller, changes.password.clone())?;
    admit_address(&app, owner.user_id, &changes).await?;
    let user = apply_as(&app, &owner, &trace, |user| changes.of(active(user)?, &app)).await?;
    admin::log("profile_changed", &caller.actor(), owner.user_id);
    let body = axum::Json(UserBody::from(&user));
    // Only where it has to be verified first is it another one still.
    match changes.email {
        Some(email) if user.email.as_ref() != Some(&email) => {
            address::ask_for(&app, user, &email).await?;
            Ok((StatusCode::ACCEPTED, body))
        }
        _ => Ok((StatusCode::OK, body)),
    }
}

/// Counts what goes to another address, by that address and by the user: nobody is to
/// be flooded with mail, or to try out which addresses are registered.
async fn admit_address(app: &App, user_id: &str, changes: &Changes) -> Result<(), ApiError> {
    let (Some(email), Some(_)) = (&changes.email, &changes.password) else { return Ok(()) };
    let user = app.store.user(user_id).await?.ok_or_else(problems::not_found)?;
    if user.email.as_ref() != Some(email) {
        for subject in [&by_user(user_id), email.as_str()] {
            let _ = app.limits.admit(Limit::MailByAddress, subject).await?.or_problem()?;
        }
    }
    Ok(())
}

impl ProfilePatch {
    fn check(self) -> Result<Changes, Vec<FieldError>> {
        let mut errors = Vec::new();
        let email = optional(&mut errors, "/email", self.email, |text| EmailAddress::parse(&text));
        let username = self
            .username
            .and_then(|text| optional(&mut errors, "/username", Some(text), |text| Username::parse(&text)));
        let display_name = self.display_name.and_then(|text| {
            optional(&mut errors, "/display_name", Some(text), |text| DisplayName::parse(&text))
        });
        let password = optional(&mut errors, "/current_password", self.current_password, Password::parse);
        if errors.is_empty() { Ok(Changes { email, username, display_name, password }) } else { Err(errors) }
    }
}

impl Changes {
    fn of(&self, user: &User, app: &App) -> Result<Edit, Problem> {
        let mut edit = Edit::of(user);
        if let Some(email) = self.email.as_ref().filter(|email| user.email.as_ref() != Some(email)) {
            if self.password.is_none() {
                let detail = "Give `current_password` to change the address.";
                return Err(Problem::invalid(vec![FieldError::new("/current_password", "required", detail)]));
            }
            if !app.mailing.is_verification_required {
                edit = edit.email(email.clone()).end_sessions().post(app.mailing.verification(email)?);
            }
        }
        if let Patch::Set(username) = &self.username {
            edit = edit.username(username.clone());
        }
        if let Patch::Set(name) = &self.display_name {
            edit = edit.display_name(name.clone());
        }
        Ok(edit)
    }
}
