//! What comes out of the ledger: receipts and rejections.

use super::reservation::ReservationStatus;
use crate::rates::Unpriced;

/// What a user's snapshot did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserChange {
    /// It was newer, and is what the account shows now.
    Applied,
    /// The account already knew as much or more.
    Stale,
}

/// What a command did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Receipt {
    /// Something was booked, now or when the same request came before.
    Booked(Reply),
    /// A user's snapshot was looked at.
    User(UserChange),
    /// The account counts as one without a user.
    Orphaned,
    /// What was due is booked.
    Settled,
}

/// The answer to a request that booked something. Kept with its key as bytes, so
/// that a repetition gets the very same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// What was made, as a path below the account, such as `allocations/<id>`.
    pub resource: String,
    /// The JSON body.
    pub body: Vec<u8>,
    /// Whether this request had been answered before.
    pub is_replay: bool,
}

/// Why a command changed nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// Not 1 to 2^53 - 1.
    #[error("credits must be a whole number from 1 to 9007199254740991")]
    CreditsOutOfRange,
    /// Its units have no price.
    #[error(transparent)]
    Unpriced(#[from] Unpriced),
    /// The balance would not stay below 2^53.
    #[error("the balance would exceed 9007199254740991 credits")]
    BalanceLimit,
    /// Not 0 to 100.
    #[error("priority must be from 0 to 100")]
    PriorityOutOfRange,
    /// The allocation would have ended before it began.
    #[error("the allocation's end has passed")]
    EndHasPassed,
    /// The allocation would end before its time comes.
    #[error("the allocation would end before it begins")]
    EndBeforeBeginning,
    /// Not 1 second to 30 days.
    #[error("a reservation holds for 1 second to 30 days")]
    HoldOutOfRange,
    /// The user was deleted.
    #[error("the account is closed")]
    AccountClosed,
    /// The user was deactivated, and such accounts may not spend.
    #[error("the account is suspended and may not spend")]
    AccountSuspended,
    /// The user is not known, and such accounts may not spend.
    #[error("the account's user is not known, and such accounts may not spend")]
    SpendingDenied,
    /// There is not enough to draw on.
    #[error("{required} credits are required and {available} available")]
    InsufficientCredits {
        /// What can be spent.
        available: i64,
        /// What would have to be.
        required: i64,
    },
    /// The account has no such usage.
    #[error("the account has no such usage")]
    UsageNotFound,
    /// More than what was drawn and did not come back.
    #[error("only {refundable} credits of the usage can still come back")]
    RefundTooLarge {
        /// What can still come back.
        refundable: i64,
    },
    /// The account has no such reservation.
    #[error("the account has no such reservation")]
    ReservationNotFound,
    /// The reservation holds nothing any more.
    #[error("the reservation is {}", status.word())]
    ReservationEnded {
        /// What became of it.
        status: ReservationStatus,
    },
    /// The account has no such allocation.
    #[error("the account has no such allocation")]
    AllocationNotFound,
    /// Reservations hold some of the allocation.
    #[error("reservations hold {reserved} credits of the allocation")]
    AllocationReserved {
        /// How much they hold.
        reserved: i64,
    },
    /// Nothing of the allocation is unspent.
    #[error("nothing of the allocation is left")]
    NothingToVoid,
    /// Source and target are one account.
    #[error("a transfer needs two accounts")]
    SameAccount,
    /// Nothing is available or pending.
    #[error("the account has nothing to transfer")]
    NothingToTransfer {
        /// What reservations hold, which stays.
        reserved: i64,
    },
    /// It would draw on more allocations than one transfer moves.
    #[error("one transfer moves at most {} allocations", super::transfer::MAX_MOVED)]
    TransferTooLarge {
        /// How many of the available credits one transfer can move now.
        movable: i64,
    },
    /// The account is not, or not any more, what it would have to be for this.
    #[error("the account is not as it was")]
    AccountChanged,
    /// The account's balance is not the sum of its allocations. Nothing is booked on
    /// it until somebody has looked.
    #[error("the account's balance and its allocations disagree")]
    BooksDisagree,
    /// Somebody else holds the account locked, which is never the core's own decision; or so
    /// much has fallen due on it that it is booked in steps. The same command may succeed a
    /// little later.
    #[error("the account is being changed")]
    AccountBusy,
    /// The key came before with another request.
    #[error("the idempotency key was used before with another request")]
    KeyReused,
    /// The key came before with this request, so long ago that its reply is gone.
    #[error("the idempotency key was used before; its reply is no longer kept")]
    ReplyGone {
        /// What was made then, as a path below the account.
        resource: String,
    },
}
