//! Users: who they are, how their passwords are kept, and the events that tell of them.

pub mod config;
pub mod domain;
mod http;
pub mod limits;
pub mod mail;
pub mod operator;
pub mod passwords;
pub mod replaying;
pub mod sealing;
mod service;
pub mod store;
pub mod tokens;

pub use config::{AuthArgs, AuthConfig, TokenConfig};
pub use http::openapi;
pub use service::{AssembleError, Parts, Service, assemble};
