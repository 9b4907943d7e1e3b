//! The pure core: commands in, account state changed, receipts out. No I/O, no clock.

mod account;
mod adjust;
mod allocate;
mod allocation;
mod apply_user;
mod burn;
mod capture;
pub mod chain;
mod command;
mod decide;
mod entry;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod histories;
mod holdings;
mod idempotency;
mod needs;
mod policies;
#[cfg(test)]
mod properties;
mod receipt;
#[cfg(test)]
mod reference;
mod refund;
mod reply;
mod reservation;
mod reserve;
#[cfg(test)]
mod rig;
mod settle;
mod spend;
mod state;
mod usage;
mod view;
mod void;
mod words;

pub use account::{Account, AccountStatus, Welcome};
pub use allocation::{Allocation, AllocationStatus, DEFAULT_PRIORITY, MAX_PRIORITY, Share};
pub use command::{Action, Adjust, Allocate, Capture, Command, Correction, OnShortfall, Reserve, Use};
pub use decide::{Accounts, decide_all};
pub use entry::{Draw, Entry, EntryKind};
pub use holdings::{Change, Holdings, Identified};
pub use idempotency::{IdempotencyKey, KeyRecord, REPLY_KEPT_DAYS};
pub use needs::Needs;
pub use policies::{Policies, Spending, WelcomePolicy};
pub use receipt::{Receipt, Rejection, Reply, UserChange};
pub use reply::{
    AdjustmentReply, AdjustmentView, After, AllocationReply, CaptureReply, RefundReply, RefundView,
    ReservationReply, UsageReply, VoidReply,
};
pub use reservation::{MAX_HOLD_S, Reservation, ReservationStatus};
pub use state::AccountState;
pub use usage::Usage;
pub use view::{AllocationView, BalanceView, ReservationView, UsageView};

/// Amounts and balances stay below 2^53, so that JSON readers keep them exact.
pub const CREDITS_LIMIT: i64 = 1 << 53;
