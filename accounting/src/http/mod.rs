//! accounting over HTTP: one folder a noun, one file a verb.

mod accounts;
mod allocations;
mod balance;
mod cursor;
mod entries;
mod error;
mod idempotency;
mod openapi;
pub(crate) mod shut_out;
mod user_id;

use std::sync::Arc;

use axum::Router;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

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

/// All routes of accounting's own, and the document that describes them.
pub(crate) fn routes(accounting: Accounting) -> (Router, OpenApi) {
    described().with_state(accounting).split_for_parts()
}

fn described() -> OpenApiRouter<Accounting> {
    OpenApiRouter::with_openapi(openapi::document())
        .routes(routes!(accounts::list::list))
        .routes(routes!(accounts::get::get))
        .routes(routes!(entries::list::list))
        .routes(routes!(allocations::create::create))
        .routes(routes!(allocations::get::get))
}

/// The document that describes accounting's routes.
#[must_use]
pub fn openapi() -> OpenApi {
    described().into_openapi()
}
