//! accounting over HTTP: one folder a noun, one file a verb.

mod accounts;
mod allocations;
mod cursor;
mod entries;
mod error;
mod idempotency;
mod user_id;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;

use crate::batcher::Batcher;
use crate::store::LedgerStore;

/// What the routes work with.
#[derive(Clone)]
pub(crate) struct Accounting {
    /// For everything that changes an account.
    pub(crate) batcher: Batcher,
    /// For reading.
    pub(crate) store: Arc<dyn LedgerStore>,
}

/// All routes of accounting's own.
pub(crate) fn routes(accounting: Accounting) -> Router {
    Router::new()
        .route("/v1/accounts", get(accounts::list::list))
        .route("/v1/accounts/{user_id}", get(accounts::get::get))
        .route("/v1/accounts/{user_id}/entries", get(entries::list::list))
        .route("/v1/accounts/{user_id}/allocations", axum::routing::post(allocations::create::create))
        .route("/v1/accounts/{user_id}/allocations/{allocation_id}", get(allocations::get::get))
        .with_state(accounting)
}
