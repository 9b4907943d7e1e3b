//! accounting's errors as its callers see them.

use accrue_chassis::lifecycle::TaskLost;
use accrue_chassis::problem::{FieldError, Problem};
use accrue_chassis::telemetry::chain;
use accrue_events::broker::BrokerError;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::{allocations, fields, rates, reservations, usage};
use crate::batcher::PostError;
use crate::ledger::{MAX_MOVED, Rejection};
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
    /// The broker could not be asked.
    Broker(BrokerError),
    /// The work panicked.
    Lost(TaskLost),
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

impl From<TaskLost> for ApiError {
    fn from(lost: TaskLost) -> Self {
        Self::Lost(lost)
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
            Self::Broker(error) => {
                tracing::warn!(error = chain(&error), "the broker could not be asked");
                let detail = "The broker cannot be asked right now, or there is more than can be looked through in \
                              time; try again.";
                Problem::unavailable("broker_unavailable", detail, 5)
            }
            Self::Lost(error) => {
                tracing::error!(error = chain(&error), "a request was lost");
                Problem::internal()
            }
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

fn conflict(code: &'static str, detail: &str) -> Problem {
    Problem::new(StatusCode::CONFLICT, code, detail)
}

fn forbidden(code: &'static str, detail: &str) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, code, detail)
}

fn invalid(pointer: &str, code: &'static str, detail: &str) -> Problem {
    Problem::invalid(vec![FieldError::new(pointer, code, detail)])
}

/// The answer to a rejection.
pub(super) fn rejected(user_id: &str, rejection: &Rejection) -> Problem {
    match rejection {
        Rejection::CreditsOutOfRange => Problem::invalid(vec![fields::credits_out_of_range()]),
        Rejection::Unpriced(why) => rates::unpriced(why),
        Rejection::PriorityOutOfRange => Problem::invalid(vec![fields::priority_out_of_range()]),
        Rejection::HoldOutOfRange => Problem::invalid(vec![fields::hold_out_of_range()]),
        Rejection::EndHasPassed => {
            let detail = "The allocation's end has passed; give one that lies ahead, or none.";
            invalid("/expires_at", "in_the_past", detail)
        }
        Rejection::EndBeforeBeginning => Problem::invalid(vec![fields::end_before_beginning()]),
        Rejection::AccountSuspended => {
            forbidden("account_suspended", "The user was deactivated: the account may not spend.")
        }
        Rejection::SpendingDenied => forbidden(
            "spending_denied",
            "No event of this user has arrived yet, and such accounts may not spend here.",
        ),
        Rejection::InsufficientCredits { available, required } => {
            let detail = format!("{required} credits are required and {available} are available.");
            Problem::new(StatusCode::PAYMENT_REQUIRED, "insufficient_credits", detail)
                .with("available", *available)
                .with("required", *required)
        }
        Rejection::UsageNotFound => usage::unknown_usage(),
        Rejection::ReservationNotFound => reservations::unknown_reservation(),
        Rejection::AllocationNotFound => allocations::unknown_allocation(),
        Rejection::AccountBusy => {
            let detail = "The account is being changed by somebody else; try again with the same key.";
            Problem::unavailable("account_busy", detail, 1)
        }
        Rejection::BooksDisagree => {
            tracing::error!(user_id, "the account's balance and its allocations disagree: nothing is booked");
            Problem::internal()
        }
        Rejection::KeyReused => Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "idempotency_key_reused",
            "This Idempotency-Key came before with another request. Use a new key for a new request.",
        ),
        conflicting => in_conflict(user_id, conflicting),
    }
}

/// What the state of the account is against.
fn in_conflict(user_id: &str, rejection: &Rejection) -> Problem {
    match rejection {
        Rejection::BalanceLimit => conflict(
            "balance_limit",
            "With these credits the balance would exceed 9007199254740991, the most that an account holds.",
        ),
        Rejection::AccountClosed => conflict(
            "account_closed",
            "The user was deleted: the account is closed, takes no new credits and spends none.",
        ),
        Rejection::RefundTooLarge { refundable } => {
            let detail = format!("Only {refundable} credits of this usage can still come back.");
            conflict("refund_too_large", &detail).with("refundable", *refundable)
        }
        Rejection::ReservationEnded { status } => {
            let detail = format!("The reservation holds nothing any more: it is {}.", status.word());
            conflict("reservation_ended", &detail).with("reservation_status", status.word())
        }
        Rejection::AllocationReserved { reserved } => {
            let detail = format!(
                "Reservations hold {reserved} credits of this allocation; capture or release them first."
            );
            conflict("allocation_reserved", &detail).with("reserved", *reserved)
        }
        Rejection::AccountChanged => conflict(
            "account_changed",
            "The account is closed, a placeholder, or of another `user_version` than the one sent: read it again.",
        ),
        Rejection::NothingToVoid => conflict(
            "nothing_to_void",
            "Nothing of this allocation is left: it was spent, expired or voided.",
        ),
        Rejection::NothingToTransfer { reserved } => {
            let detail = format!(
                "Nothing of this account can be transferred: nothing is available or pending, and {reserved} \
                 credits that reservations hold stay."
            );
            conflict("nothing_to_transfer", &detail).with("reserved", *reserved)
        }
        Rejection::TransferTooLarge { movable: 0 } => {
            let detail = format!(
                "More than {MAX_MOVED} allocations are pending, the most that one transfer moves. Void some, or \
                 wait until some have begun."
            );
            conflict("transfer_too_large", &detail).with("movable", 0)
        }
        Rejection::TransferTooLarge { movable } => {
            let detail = format!(
                "It would draw on more than {MAX_MOVED} allocations, the most that one transfer moves. Transfer \
                 {movable} credits first, and the rest after them."
            );
            conflict("transfer_too_large", &detail).with("movable", *movable)
        }
        Rejection::ReplyGone { resource } => conflict(
            "idempotency_key_expired",
            "This request was answered so long ago that the reply is no longer kept. What it made is at \
             `resource`.",
        )
        .with("resource", super::user_id::address(user_id, resource)),
        unexpected => {
            tracing::error!(%unexpected, "a rejection has no answer of its own");
            Problem::internal()
        }
    }
}
