//! Whether auth has a user: asked only where an account would be opened, and only if the
//! operator or the caller wants it asked.

mod checks;
mod circuit;
mod http;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub(crate) use checks::Checks;
pub use http::HttpDirectory;

/// What to do about a user who has no account yet.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema, clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum OnUnknownUser {
    /// Open a placeholder, which the event of the user's registration makes active.
    Placeholder,
    /// Ask auth, and open one only if it has the user; also if it cannot be asked.
    Verify,
    /// Refuse.
    Reject,
}

/// What auth says of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// There is such a user, active or deactivated.
    Alive,
    /// There was; what is left is a tombstone.
    Deleted,
    /// There is and was none.
    Unknown,
}

/// Why auth did not say.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// No answer, or one that something failed on auth's side.
    #[error("auth does not answer")]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// auth answered with this status and code, which is no answer to the question.
    #[error("auth answered {status} {code}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The `code` of the problem, or `error` where there is one; empty if it named none.
        code: String,
    },
    /// The answer is none that we know.
    #[error("auth's answer cannot be read")]
    Unreadable,
}

/// auth's users, as far as accounting needs to know.
#[async_trait]
pub trait UserDirectory: Send + Sync + 'static {
    /// What auth says of the user right now. Nothing may be remembered of an earlier answer.
    ///
    /// # Errors
    /// [`DirectoryError`]: it did not say.
    async fn look_up(&self, user_id: &str) -> Result<Presence, DirectoryError>;
}
