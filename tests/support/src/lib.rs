//! Servers, databases and names for tests: each test gets what nobody else touches.
//!
//! It belongs to no crate's inside: it knows no word of what Accrue does, but for
//! the names of the queues that it deletes.

mod cleanup;
mod listener;
mod mongodb;
mod own;
mod postgres;
mod python;
mod rabbitmq;
mod server;
pub mod versions;
mod wait;

pub use crate::listener::{Heard, Listener};
pub use crate::mongodb::{TestMongo, mongodb};
pub use crate::own::{Kind, OwnMongo, OwnPostgres, OwnRabbit, OwnServer};
pub use crate::postgres::{Held, TestPostgres, postgres};
pub use crate::python::python;
pub use crate::rabbitmq::{TestRabbit, rabbitmq};
pub use crate::wait::{Answer, eventually, within};

/// A fresh directory for a process's files; it goes when the value is dropped.
///
/// # Panics
/// When the machine has no room for one.
#[must_use]
pub fn data_dir() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("accrue-test-").tempdir().expect("a temporary directory can be made")
}
