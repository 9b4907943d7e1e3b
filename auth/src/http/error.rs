//! Why a request of auth is not answered as hoped, and how HTTP says so.

use accrue_chassis::lifecycle::TaskLost;
use accrue_chassis::problem::Problem;
use axum::response::{IntoResponse, Response};

use crate::limits::LimitError;
use crate::passwords::HashingError;
use crate::store::StoreError;
use crate::tokens::KeyRingError;

/// One error of a handler.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    /// The caller's doing: said as it is, logged nowhere.
    #[error("the request was refused: {}", .0.code())]
    Refused(Problem),
    /// No password could be hashed or compared.
    #[error(transparent)]
    Hashing(#[from] HashingError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No token can be signed.
    #[error(transparent)]
    Keys(KeyRingError),
    /// A part of the work panicked.
    #[error(transparent)]
    Lost(#[from] TaskLost),
}

impl From<Problem> for ApiError {
    fn from(problem: Problem) -> Self {
        Self::Refused(problem)
    }
}

/// What cannot be counted is not admitted: the store's fault is the request's.
impl From<LimitError> for ApiError {
    fn from(LimitError::Store(error): LimitError) -> Self {
        Self::Store(error)
    }
}

impl From<KeyRingError> for ApiError {
    fn from(error: KeyRingError) -> Self {
        match error {
            KeyRingError::Store(error) => Self::Store(error),
            other => Self::Keys(other),
        }
    }
}

impl ApiError {
    /// The word for this error in the counter of registrations.
    pub(crate) fn outcome(&self) -> &'static str {
        match self {
            Self::Refused(problem) => problem.code(),
            Self::Hashing(HashingError::Overloaded) => "overloaded",
            Self::Keys(_) => "keys_unavailable",
            Self::Store(StoreError::Unavailable(_)) => "database_unavailable",
            Self::Hashing(HashingError::Failed(_)) | Self::Store(StoreError::Corrupt(_)) | Self::Lost(_) => {
                "internal_error"
            }
        }
    }

    /// Logged here, at the boundary, once. No error of ours carries an address of
    /// a person, a password or a hash.
    fn log(&self) {
        let cause: &dyn std::error::Error = self;
        match self {
            Self::Refused(_) => {}
            Self::Hashing(HashingError::Overloaded) => tracing::debug!(cause, "a request was refused"),
            Self::Store(StoreError::Unavailable(source)) => {
                tracing::warn!(cause, source = %source, "a request could not be served");
            }
            Self::Hashing(HashingError::Failed(_))
            | Self::Store(StoreError::Corrupt(_))
            | Self::Keys(_)
            | Self::Lost(_) => {
                tracing::error!(cause, "a request failed");
            }
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        self.log();
        let problem = match self {
            Self::Refused(problem) => problem,
            Self::Hashing(HashingError::Overloaded) => {
                let detail = "Too many passwords wait to be checked; try again shortly.";
                Problem::unavailable("overloaded", detail, 1)
            }
            Self::Keys(_) => {
                let detail = "No token can be signed right now; try again shortly.";
                Problem::unavailable("keys_unavailable", detail, 5)
            }
            Self::Store(StoreError::Unavailable(_)) => {
                let detail = "The users cannot be reached right now. Whether a write took effect is not \
                              known: send it again with the same Idempotency-Key to find out.";
                Problem::unavailable("database_unavailable", detail, 2)
            }
            Self::Hashing(HashingError::Failed(_)) | Self::Store(StoreError::Corrupt(_)) | Self::Lost(_) => {
                Problem::internal()
            }
        };
        problem.into_response()
    }
}
