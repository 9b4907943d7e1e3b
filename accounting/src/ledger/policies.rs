//! What an operator decides for all accounts: welcome credits, who may spend, events.

use super::events::EventPolicy;
use super::words::words;

/// When and with how much a new user is welcomed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WelcomePolicy {
    /// Credits; 0 turns it off.
    pub credits: i64,
    /// Wait for a verified address.
    pub needs_verified_email: bool,
}

impl WelcomePolicy {
    /// Nobody is welcomed with credits.
    pub const OFF: Self = Self { credits: 0, needs_verified_email: false };
}

words! {
    /// Whether some kind of account may spend and reserve.
    Spending {
        /// It may.
        Allow = "allow",
        /// It may not.
        Deny = "deny",
    }
}

/// What holds for all accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policies {
    /// Welcome credits.
    pub welcome: WelcomePolicy,
    /// Whether suspended accounts may spend.
    pub suspended_spending: Spending,
    /// Whether accounts may spend whose user is not known: placeholders, and those
    /// that reconciliation found no user for.
    pub placeholder_spending: Spending,
    /// Whether what is booked becomes events.
    pub events: EventPolicy,
}

impl Policies {
    /// What holds where nothing is set.
    pub const DEFAULT: Self = Self {
        welcome: WelcomePolicy::OFF,
        suspended_spending: Spending::Deny,
        placeholder_spending: Spending::Allow,
        events: EventPolicy::Off,
    };
}
