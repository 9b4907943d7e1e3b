//! Sessions as HTTP shows them: begun by signing in, listed, ended.

mod end;
mod end_all;
mod list;
mod login;
mod logout;
mod password;

use accrue_chassis::problem::Problem;
use accrue_chassis::tokens::Caller;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

pub(crate) use password::DummyHash;

use super::App;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(login::login))
        .routes(routes!(logout::logout))
        .routes(routes!(list::list, end_all::end_all))
        .routes(routes!(end::end))
}

/// The user who asks. The guard lets nobody else get here.
fn user_id(caller: &Caller) -> Result<&str, Problem> {
    caller.user_id().ok_or_else(|| {
        tracing::error!("somebody got past the guard who is no user");
        Problem::internal()
    })
}

/// The session through which they ask.
fn session_id(caller: &Caller) -> Option<Uuid> {
    caller.session_id.as_deref().and_then(|id| id.parse().ok())
}
