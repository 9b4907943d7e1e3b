//! A round of the postman: what it did, or why it ended early.

use std::time::Duration;

use super::transport::SendError;
use crate::store::StoreError;

/// The longest wait for a server that is away.
pub(super) const PAUSE_WHEN_AWAY: Duration = Duration::from_mins(1);
/// The longest wait for one that broke off over several mails. Shorter: these may be all
/// that is wrong, and others wait behind them.
const PAUSE_WHEN_BROKEN_OFF: Duration = Duration::from_secs(5);

/// What one round did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Mails that are the mail server's now.
    pub sent: usize,
    /// Mails that it refused or broke off over, and that will be tried again.
    pub put_off: usize,
    /// Mails that failed too often by their own fault, or that do not open.
    pub given_up: usize,
}

/// Why a round ended early. What was not sent waits.
#[derive(Debug, thiserror::Error)]
pub enum RoundError {
    /// The mail server is away.
    #[error(transparent)]
    Away(SendError),
    /// It breaks off over one mail after another. Each was put off.
    #[error("{0}, and over others before it")]
    BrokenOff(SendError),
    /// The store is away.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl RoundError {
    /// The longest wait for the next round.
    pub(super) fn longest_pause(&self) -> Duration {
        match self {
            Self::Away(_) | Self::Store(_) => PAUSE_WHEN_AWAY,
            Self::BrokenOff(_) => PAUSE_WHEN_BROKEN_OFF,
        }
    }
}
