//! What every service of ours has, and not one word of what it is for.

pub mod backoff;
pub mod clock;
pub mod health;
pub mod http;
pub mod lifecycle;
pub mod pace;
pub mod private_file;
pub mod problem;
pub mod problem_docs;
pub mod settings;
pub mod telemetry;
pub mod tokens;
pub mod traces;
