//! Users: who they are, how their passwords are kept, and the events that tell of them.

pub mod config;
pub mod domain;
mod http;
pub mod passwords;
pub mod sealing;
mod service;
pub mod store;

pub use config::{AuthArgs, AuthConfig};
pub use service::{Parts, Service, assemble};
