//! The pure core: commands in, account state changed, receipts out. No I/O, no clock.

mod account;
mod allocate;
mod apply_user;
mod command;
mod decide;
mod idempotency;
#[cfg(test)]
mod properties;
mod state;

pub use account::{Account, AccountStatus, Allocation, Entry, EntryKind, Welcome};
pub use command::{Action, Allocate, Command, Receipt, Rejection, Reply, UserChange, WelcomePolicy};
pub use decide::{Accounts, decide_all};
pub use idempotency::{IdempotencyKey, KeyRecord, REPLY_KEPT_DAYS};
pub use state::{AccountState, Change, HeldAllocation};

/// Amounts and balances stay below 2^53, so that JSON readers keep them exact.
pub const CREDITS_LIMIT: i64 = 1 << 53;
