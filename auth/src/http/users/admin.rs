//! Admins as callers: whether they still are, and what is logged of what they do.

use accrue_chassis::http::SECURITY_LOG;
use accrue_chassis::tokens::Caller;
use accrue_events::user::UserStatus;

use super::problems;
use crate::http::App;
use crate::http::error::ApiError;

/// The scope of whoever looks after users.
pub(super) const USERS_ADMIN: &str = "users:admin";
/// The scope of whoever sees to it that the services agree.
pub(in crate::http) const EVENTS_ADMIN: &str = "events:admin";

/// How the log names the caller, who acts by that scope. A token outlives what it was
/// made for by up to 15 minutes; an admin who has lost the role or was shut out, and a
/// service whose client was deleted or has lost the scope, do nothing more here.
pub(super) async fn acting(app: &App, caller: &Caller) -> Result<String, ApiError> {
    acting_by(app, caller, USERS_ADMIN).await
}

/// The same, by another scope.
pub(in crate::http) async fn acting_by(
    app: &App,
    caller: &Caller,
    scope: &'static str,
) -> Result<String, ApiError> {
    let may_act = if let Some(user_id) = caller.user_id() {
        let user = app.store.user(user_id).await?.filter(|user| user.status == UserStatus::Active);
        user.is_some_and(|user| user.roles.scopes().contains(scope))
    } else {
        let client = app.store.client(&caller.subject).await?;
        client.is_some_and(|client| client.scopes.contains(scope))
    };
    if !may_act {
        tracing::info!(target: SECURITY_LOG, event = "refused", reason = "no_longer_admin", actor = caller.actor());
        return Err(problems::no_longer_admin(scope).into());
    }
    Ok(caller.actor())
}

/// A line for whoever reads the security log: ids, and no address.
pub(super) fn log(event: &'static str, actor: &str, user_id: &str) {
    tracing::info!(target: SECURITY_LOG, event, actor, user_id);
}
