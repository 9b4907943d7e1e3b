//! Prepaid credits: accounts, allocations, and the ledger that keeps them.

pub mod ledger;
