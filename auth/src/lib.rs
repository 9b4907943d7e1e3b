//! Users: who they are and how their passwords are kept.

pub mod domain;
pub mod passwords;
