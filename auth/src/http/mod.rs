//! The routes of auth: one folder a noun, one file a verb.

mod error;
mod users;

use std::sync::Arc;

use accrue_chassis::clock::SharedClock;
use accrue_chassis::lifecycle::Lifecycle;
use axum::Router;
use axum::routing::{get, post};
use tokio::sync::Notify;

use crate::passwords::PasswordHashing;
use crate::store::AuthStore;

/// What the handlers work with.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) store: Arc<dyn AuthStore>,
    pub(crate) passwords: PasswordHashing,
    pub(crate) clock: SharedClock,
    pub(crate) lifecycle: Lifecycle,
    /// Wakes the relay when something was written for it.
    pub(crate) wake: Arc<Notify>,
}

pub(crate) fn routes(app: App) -> Router {
    Router::new()
        .route("/v1/users", post(users::register))
        .route("/v1/users/{user_id}", get(users::get))
        .with_state(app)
}
