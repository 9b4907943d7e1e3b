//! auth over HTTP: every answer it gives, and that a refused request writes nothing.

mod away;
mod faults;
mod harness;
mod idempotency;
mod operations;
mod refusals;
mod registering;
