//! `PUT /v1/users/{user_id}/roles`: an admin says what a user may do.

use accrue_chassis::http::{Json, Path, TraceContext};
use accrue_chassis::problem::{FieldError, Problem};
use accrue_chassis::problem_docs::{AnyProblem, BodyProblem, NotFoundProblem, ProblemBody, TokenProblem};
use accrue_chassis::tokens::Caller;
use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;

use super::apply::{alive, apply};
use super::{UserBody, admin};
use crate::domain::{Edit, Role, Roles};
use crate::http::App;
use crate::http::error::ApiError;

/// What a user may do from now on.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"roles": ["supervisor"]}))]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct RolesRequest {
    /// `admin`, `supervisor`, both, or none for a plain user.
    #[schema(value_type = Vec<Role>)]
    roles: Vec<String>,
}

/// Set a user's roles
///
/// They hold at auth at once, and in access tokens from the next refresh on.
#[utoipa::path(
    put,
    path = "/v1/users/{user_id}/roles",
    tag = "users",
    params(("user_id" = String, Path, description = "Whose.", min_length = 1, max_length = 50)),
    request_body = RolesRequest,
    security(("token" = ["users:admin"])),
    responses(
        (status = 200, description = "The user with these roles.", body = UserBody),
        (status = 409, description = "`last_admin`, or `user_changed`: others were faster each time.",
         body = ProblemBody, content_type = "application/problem+json"),
        AnyProblem, BodyProblem, TokenProblem, NotFoundProblem,
    )
)]
pub(in crate::http) async fn put(
    State(app): State<App>,
    caller: Caller,
    Path(user_id): Path<String>,
    trace: TraceContext,
    Json(body): Json<RolesRequest>,
) -> Result<axum::Json<UserBody>, ApiError> {
    let actor = admin::acting(&app, &caller).await?;
    let mut errors = Vec::new();
    let roles = parse_roles(&mut errors, "/roles", &body.roles);
    if !errors.is_empty() {
        return Err(Problem::invalid(errors).into());
    }
    let user = apply(&app, &user_id, &trace, |user| Ok(Edit::of(alive(user)?).roles(roles.clone()))).await?;
    admin::log("user_roles_set", &actor, &user_id);
    Ok(axum::Json(UserBody::from(&user)))
}

/// The roles of these words; each that is none leaves an error.
pub(super) fn parse_roles(errors: &mut Vec<FieldError>, pointer: &str, words: &[String]) -> Roles {
    let mut parse = |(index, word): (usize, &String)| {
        let role = Role::from_word(word);
        if role.is_none() {
            let detail = format!("A role must be one of {}.", Role::ALL.map(Role::word).join(", "));
            errors.push(FieldError::new(format!("{pointer}/{index}"), "invalid_value", detail));
        }
        role
    };
    words.iter().enumerate().filter_map(&mut parse).collect()
}
