//! What crosses between the services: events, the outbox that holds them, the
//! relay that drains it, and the brokers that carry them.

pub mod account;
pub mod broker;
pub mod envelope;
pub mod outbox;
pub mod relay;
#[cfg(test)]
mod schema;
pub mod user;
