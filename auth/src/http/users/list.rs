//! `GET /v1/users?email=&username=&status=&role=&limit=&cursor=`: users, newest first.

use accrue_chassis::clock::{from_micros, to_micros};
use accrue_chassis::http::Query;
use accrue_chassis::problem::{FieldError, Problem};
use accrue_chassis::problem_docs::{AnyProblem, TokenProblem};
use accrue_chassis::tokens::Caller;
use accrue_events::user::UserStatus;
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use super::{UserBody, admin, status_word};
use crate::domain::{EmailAddress, Role, User, Username};
use crate::http::App;
use crate::http::error::ApiError;
use crate::http::page::{Page, checked_limit, position};
use crate::store::{UserFilter, UserPosition};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Params {
    /// Only the one with this address.
    #[param(example = "ada@example.com")]
    email: Option<String>,
    /// Only the one with this username.
    username: Option<String>,
    /// Only those in this state: `active`, `deactivated` or `deleted`.
    #[param(pattern = "^(active|deactivated|deleted)$")]
    status: Option<String>,
    /// Only those with this role: `admin` or `supervisor`.
    #[param(pattern = "^(admin|supervisor)$")]
    role: Option<String>,
    /// How many at most.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Users, newest first
#[utoipa::path(
    get,
    path = "/v1/users",
    tag = "users",
    params(Params),
    security(("token" = ["users:admin"])),
    responses(
        (status = 200, description = "One page.", body = Page<UserBody>),
        AnyProblem, TokenProblem,
    )
)]
pub(in crate::http) async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(params): Query<Params>,
) -> Result<Json<Page<UserBody>>, ApiError> {
    admin::acting(&app, &caller).await?;
    let limit = checked_limit(params.limit)?;
    let after = params.cursor.as_deref().map(|cursor| position(cursor, parse_position)).transpose()?;
    let statuses = [UserStatus::Active, UserStatus::Deactivated, UserStatus::Deleted];
    let filter = UserFilter {
        status: one_of("status", params.status.as_deref(), statuses, status_word)?,
        role: one_of("role", params.role.as_deref(), Role::ALL, Role::word)?,
    };
    let users = if params.email.is_some() || params.username.is_some() {
        let found = named(&app, params.email.as_deref(), params.username.as_deref()).await?;
        found.into_iter().filter(|user| passes(user, filter)).collect()
    } else {
        app.store.list(&filter, after.as_ref(), limit + 1).await?
    };
    let page = Page::cut(users, limit, |user| format!("{}:{}", to_micros(user.created_at), user.user_id));
    Ok(Json(page.map(|user| UserBody::from(&user))))
}

/// The one user of these names. What is no address is nobody's.
async fn named(app: &App, email: Option<&str>, username: Option<&str>) -> Result<Option<User>, ApiError> {
    let by_email = match email.map(EmailAddress::parse) {
        Some(Ok(email)) => app.store.by_email(&email).await?,
        Some(Err(_)) => return Ok(None),
        None => None,
    };
    let Some(username) = username else { return Ok(by_email) };
    let Ok(username) = Username::parse(username) else { return Ok(None) };
    let by_username = app.store.by_username(&username).await?;
    // Both at once name somebody only if it is the same one.
    Ok(if email.is_some() { by_email.filter(|user| by_username.as_ref() == Some(user)) } else { by_username })
}

fn passes(user: &User, filter: UserFilter) -> bool {
    filter.status.is_none_or(|status| user.status == status)
        && filter.role.is_none_or(|role| user.roles.contains(role))
}

/// The value that `word` names.
fn one_of<T: Copy, const N: usize>(
    name: &str,
    word: Option<&str>,
    all: [T; N],
    word_of: impl Fn(T) -> &'static str,
) -> Result<Option<T>, Problem> {
    let Some(word) = word else { return Ok(None) };
    let found = all.into_iter().find(|value| word_of(*value) == word);
    found.map(Some).ok_or_else(|| {
        let detail = format!("{name} must be one of {}.", all.map(word_of).join(", "));
        Problem::invalid(vec![FieldError::new("", "invalid_value", detail)])
    })
}

fn parse_position(text: &str) -> Option<UserPosition> {
    let (micros, user_id) = text.split_once(':')?;
    let created_at = micros.parse().ok().and_then(from_micros)?;
    let is_plain = !user_id.contains('\0');
    is_plain.then(|| UserPosition { created_at, user_id: user_id.to_owned() })
}
