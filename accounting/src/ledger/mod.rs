//! The pure core: commands in, account state changed, receipts out. No I/O, no clock.

mod account;
mod decide;
#[cfg(test)]
mod properties;

pub use account::{Account, AccountState, AccountStatus, Allocation, Entry, EntryKind, Welcome};
pub use decide::{Allocate, Command, Receipt, Rejection, UserChange, WelcomePolicy, allocate, apply_user};

/// Amounts and balances stay below 2^53, so that JSON readers keep them exact.
pub const CREDITS_LIMIT: i64 = 1 << 53;
