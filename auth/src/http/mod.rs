//! The routes of auth: one folder a noun, one file a verb.

mod error;
mod mailing;
mod oauth;
mod openapi;
mod page;
mod password_resets;
mod replays;
mod sessions;
mod user_versions;
mod users;
mod verification;
mod well_known;

use std::sync::Arc;

use accrue_chassis::clock::SharedClock;
use accrue_chassis::lifecycle::Lifecycle;
use axum::Router;
use tokio::sync::Notify;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) use self::mailing::Mailing;
pub(crate) use self::sessions::DummyHash;
use crate::limits::Limits;
use crate::passwords::PasswordHashing;
use crate::store::AuthStore;
use crate::tokens::TokenIssuer;

/// What the handlers work with.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) store: Arc<dyn AuthStore>,
    pub(crate) passwords: PasswordHashing,
    pub(crate) limits: Limits,
    pub(crate) mailing: Mailing,
    pub(crate) tokens: TokenIssuer,
    /// Compared with where there is no user.
    pub(crate) dummy_hash: DummyHash,
    /// How long a session lasts that is not refreshed.
    pub(crate) session_lifetime: time::Duration,
    pub(crate) clock: SharedClock,
    pub(crate) lifecycle: Lifecycle,
    /// Wakes the relay when something was written for it.
    pub(crate) wake: Arc<Notify>,
}

/// All routes of auth's own, and the document that describes them.
pub(crate) fn routes(app: App) -> (Router, OpenApi) {
    described().with_state(app).split_for_parts()
}

fn described() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(openapi::document())
        .merge(users::routes())
        .merge(user_versions::routes())
        .merge(replays::routes())
        .merge(verification::routes())
        .merge(password_resets::routes())
        .merge(sessions::routes())
        .merge(oauth::routes())
        .routes(routes!(well_known::jwks::jwks))
        .routes(routes!(well_known::metadata::metadata))
}

/// The document that describes auth's routes.
#[must_use]
pub fn openapi() -> OpenApi {
    described().into_openapi()
}
