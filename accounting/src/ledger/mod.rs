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
mod cost;
mod decide;
#[cfg(test)]
mod edges;
mod entry;
mod events;
#[cfg(test)]
mod events_golden;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod golden_transfers;
#[cfg(test)]
mod golden_users;
#[cfg(test)]
mod histories;
mod holdings;
mod idempotency;
mod needs;
#[cfg(test)]
mod needs_golden;
mod orphan;
#[cfg(test)]
mod orphan_properties;
mod parts;
mod policies;
#[cfg(test)]
mod properties;
mod receipt;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod references;
mod refund;
mod reply;
mod reservation;
mod reserve;
#[cfg(test)]
mod rig;
#[cfg(test)]
mod rows;
mod settle;
mod spend;
mod state;
mod transfer;
mod usage;
mod view;
mod void;
mod words;

pub use account::{Account, AccountStatus, Welcome};
pub use allocation::{Allocation, AllocationStatus, DEFAULT_PRIORITY, MAX_PRIORITY, Share};
pub use command::{
    Action, Adjust, Allocate, Capture, Command, Correction, OnShortfall, Reserve, Transfer, Use,
};
pub use cost::{Cost, Pricing};
pub use decide::{Accounts, Overdrawn, decide_all};
pub use entry::{Draw, Entry, EntryKind};
pub use events::{EventPolicy, events_of};
pub use holdings::{Change, Holdings, Identified};
pub use idempotency::{IdempotencyKey, KeyRecord, REPLY_KEPT_DAYS};
pub use needs::{Needs, Spendable};
pub use parts::{ExplainedAllocation, Flow, Parts};
pub use policies::{Policies, Spending, WelcomePolicy};
pub use receipt::{Receipt, Rejection, Reply, UserChange};
pub use reply::{
    AdjustmentReply, AdjustmentView, After, AllocationReply, CaptureReply, MovedView, RefundReply,
    RefundView, ReservationReply, TargetView, TransferReply, TransferView, UsageReply, VoidReply,
};
pub use reservation::{MAX_HOLD_S, Reservation, ReservationStatus};
pub use state::AccountState;
pub use transfer::MAX_MOVED;
pub use usage::Usage;
pub use view::{AllocationView, BalanceView, ReservationView, UsageView};

/// Amounts and balances stay below 2^53, so that JSON readers keep them exact.
pub const CREDITS_LIMIT: i64 = 1 << 53;
