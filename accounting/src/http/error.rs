//! accounting's errors as its callers see them.

use accrue_chassis::problem::{FieldError, Problem};
use accrue_chassis::telemetry::chain;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::batcher::PostError;
use crate::ledger::Rejection;
use crate::store::StoreError;

/// Why a request was not answered with what it asked for.
#[derive(Debug)]
pub(super) enum ApiError {
    /// Something is wrong with the request.
    Problem(Problem),
    /// The ledger rejected it. The account is named for the resource's address.
    Rejected { user_id: String, rejection: Rejection },
    /// The ledger decided nothing. The lane has logged why.
    Post(PostError),
    /// Reading failed.
    Store(StoreError),
}

impl From<Problem> for ApiError {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<PostError> for ApiError {
    fn from(error: PostError) -> Self {
        Self::Post(error)
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let problem = match self {
            Self::Problem(problem) => problem,
            Self::Rejected { user_id, rejection } => rejected(&user_id, &rejection),
            Self::Post(PostError::Overloaded) => {
                Problem::unavailable("overloaded", "Too many requests at once; try again shortly.", 1)
            }
            Self::Post(PostError::Stopped) => {
                Problem::unavailable("stopping", "The service is shutting down; try again.", 1)
            }
            Self::Post(PostError::Store(error)) if error.is_passing() => Problem::unavailable(
                "database_unavailable",
                "The ledger's database cannot be used right now. Whether the request took effect is not \
                 known: send it again with the same Idempotency-Key.",
                1,
            ),
            Self::Post(PostError::Store(_)) => Problem::internal(),
            Self::Store(error) => {
                tracing::error!(error = chain(&error), "the ledger could not be read");
                if error.is_passing() {
                    let detail = "The ledger's database cannot be used right now; try again.";
                    Problem::unavailable("database_unavailable", detail, 1)
                } else {
                    Problem::internal()
                }
            }
        };
        problem.into_response()
    }
}

fn rejected(user_id: &str, rejection: &Rejection) -> Problem {
    let conflict = |code, detail| Problem::new(StatusCode::CONFLICT, code, detail);
    match rejection {
        Rejection::CreditsOutOfRange => Problem::invalid(vec![super::allocations::credits_out_of_range()]),
        Rejection::BalanceLimit => conflict(
            "balance_limit",
            "With these credits the balance would exceed 9007199254740991, the most that an account holds.",
        ),
        Rejection::EndHasPassed => {
            let detail = "The allocation's end has passed; give one that lies ahead, or none.";
            Problem::invalid(vec![FieldError::new("/expires_at", "in_the_past", detail)])
        }
        Rejection::AccountBusy => {
            let detail = "The account is being changed by somebody else; try again with the same key.";
            Problem::unavailable("account_busy", detail, 1)
        }
        Rejection::AccountClosed => conflict(
            "account_closed",
            "The user was deleted: the account is closed and takes no new credits.",
        ),
        Rejection::KeyReused => Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "idempotency_key_reused",
            "This Idempotency-Key came before with another request. Use a new key for a new request.",
        ),
        Rejection::ReplyGone { resource } => {
            let address = super::user_id::address(user_id, resource);
            conflict(
                "idempotency_key_expired",
                "This request was answered so long ago that the reply is no longer kept. What it made is \
                 at `resource`.",
            )
            .with("resource", address)
        }
    }
}
