//! `/v1/users/me`: what a signed-in user does with what is their own.

mod address;
pub(super) mod delete;
pub(super) mod get;
pub(super) mod password;
pub(super) mod patch;

use accrue_chassis::problem::Problem;
use accrue_chassis::tokens::Caller;
use accrue_events::user::UserStatus;

use super::apply::{Owner, alive};
use super::problems;
use crate::domain::{Password, Session, User};
use crate::http::App;
use crate::store::StoreError;

/// The id of the user who asks. The guard lets nobody else in.
fn user_id(caller: &Caller) -> Result<&str, Problem> {
    caller.user_id().ok_or_else(problems::not_found)
}

/// The user who asks, with the password that they gave.
fn owner(caller: &Caller, password: Option<Password>) -> Result<Owner<'_>, Problem> {
    Ok(Owner { user_id: user_id(caller)?, session_id: caller.session_id.as_deref(), password })
}

/// The session that they ask in, if it has not been ended.
async fn session(app: &App, caller: &Caller) -> Result<Option<Session>, StoreError> {
    match caller.session_id.as_deref().and_then(|id| id.parse().ok()) {
        Some(session_id) => app.store.session(session_id).await,
        None => Ok(None),
    }
}

/// The user, if they may act: an access token outlives a deactivation by up to 15 minutes.
fn active(user: &User) -> Result<&User, Problem> {
    let user = alive(user)?;
    if user.status == UserStatus::Active { Ok(user) } else { Err(problems::shut_out()) }
}
