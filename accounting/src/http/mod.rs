//! accounting over HTTP: one folder a noun, one file a verb.

mod account_versions;
mod accounts;
mod adjustments;
mod allocations;
mod balance;
mod booking;
mod cost;
mod cursor;
mod dead_letters;
mod distinct;
mod entries;
mod error;
mod fields;
mod idempotency;
mod newcomers;
mod openapi;
mod prefer;
mod rates;
mod reservations;
pub(crate) mod shut_out;
#[cfg(test)]
mod tests;
mod transfers;
mod usage;
mod usage_sums;
mod user_id;
mod waiting;

use std::sync::Arc;

use accrue_chassis::lifecycle::Lifecycle;
use accrue_events::broker::DeadLetters;
use axum::Router;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::batcher::Batcher;
use crate::store::LedgerStore;

pub(crate) use newcomers::Newcomers;
pub(crate) use waiting::Waiting;

/// What the routes work with.
#[derive(Clone)]
pub(crate) struct Accounting {
    /// For everything that changes an account.
    pub(crate) batcher: Batcher,
    /// For reading.
    pub(crate) store: Arc<dyn LedgerStore>,
    /// Whom accounts are opened for.
    pub(crate) newcomers: Newcomers,
    /// For requests that wait for a user's event.
    pub(crate) waiting: Waiting,
    /// For work that goes on to its end though its caller has gone.
    pub(crate) lifecycle: Lifecycle,
    /// Events that were given up on.
    pub(crate) dead_letters: Arc<dyn DeadLetters>,
}

/// All routes of accounting's own, and the document that describes them.
pub(crate) fn routes(accounting: Accounting) -> (Router, OpenApi) {
    described().with_state(accounting).split_for_parts()
}

fn described() -> OpenApiRouter<Accounting> {
    OpenApiRouter::with_openapi(openapi::document())
        .routes(routes!(accounts::list::list))
        .routes(routes!(accounts::get::get))
        .routes(routes!(accounts::orphan::orphan))
        .routes(routes!(account_versions::list::list))
        .routes(routes!(account_versions::get::get))
        .routes(routes!(balance::get::get))
        .routes(routes!(entries::list::list))
        .routes(routes!(entries::get::get))
        .routes(routes!(allocations::create::create, allocations::list::list))
        .routes(routes!(allocations::get::get))
        .routes(routes!(allocations::void::void))
        .routes(routes!(allocations::batch::batch))
        .routes(routes!(usage::create::create, usage::list::list))
        .routes(routes!(usage::get::get))
        .routes(routes!(usage::refund::refund))
        .routes(routes!(usage_sums::account::account))
        .routes(routes!(usage_sums::everyone::everyone))
        .routes(routes!(reservations::create::create, reservations::list::list))
        .routes(routes!(reservations::get::get))
        .routes(routes!(reservations::capture::capture))
        .routes(routes!(reservations::release::release))
        .routes(routes!(reservations::extend::extend))
        .routes(routes!(adjustments::create::create))
        .routes(routes!(rates::list::list))
        .routes(routes!(rates::quote::quote))
        .routes(routes!(rates::get::get, rates::put::put))
        .routes(routes!(rates::versions::versions))
        .routes(routes!(rates::version::version))
        .routes(routes!(transfers::create::create))
        .routes(routes!(dead_letters::list::list))
        .routes(routes!(dead_letters::redrive::redrive))
        .routes(routes!(dead_letters::get::get, dead_letters::delete::delete))
}

/// The document that describes accounting's routes.
#[must_use]
pub fn openapi() -> OpenApi {
    described().into_openapi()
}
