//! Prepaid credits: accounts, allocations, and the ledger that keeps them.

mod arrivals;
pub mod audit;
mod batcher;
pub mod config;
mod consumer;
pub mod directory;
mod http;
pub mod ledger;
mod own_events;
mod queues;
pub mod rates;
mod service;
pub mod store;
mod sweep;

pub use batcher::{Batcher, Decision, PostError};
pub use consumer::Consumer;
pub use http::openapi;
pub use own_events::OwnEvents;
pub use service::{Parts, Service, assemble};
pub use sweep::Sweep;

#[cfg(test)]
mod testing;
