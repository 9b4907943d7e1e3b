//! Exchanges and queues by name: declared alike by every process of every service.

use std::time::Duration;

/// The names and limits of everything that we declare on a broker, under a prefix
/// that keeps several installations on one broker apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topology {
    prefix: String,
    /// How long a message waits in the retry queue.
    pub retry_delay: Duration,
}

/// A message that has been delivered so often without being settled goes to the
/// dead-letter queue. A lost connection charges every message that was in flight.
pub const DELIVERY_LIMIT: u32 = 20;
/// Messages that the main queue holds; past it, publishes are refused.
pub const MAX_LENGTH: u32 = 1_000_000;

impl Topology {
    /// The topology under `prefix`, which is `accrue` unless an operator says otherwise.
    pub fn new(prefix: impl Into<String>) -> Self {
        Self { prefix: prefix.into(), retry_delay: Duration::from_secs(30) }
    }

    /// The topic exchange that auth publishes on.
    #[must_use]
    pub fn users_exchange(&self) -> String {
        format!("{}.users", self.prefix)
    }

    /// The direct exchange of dead letters.
    #[must_use]
    pub fn dead_letter_exchange(&self) -> String {
        format!("{}.dlx", self.prefix)
    }

    /// The routing key of dead letters of the main queue.
    #[must_use]
    pub fn dead_letter_key(&self) -> &'static str {
        "accounting.users"
    }

    /// The queue that accounting consumes.
    #[must_use]
    pub fn queue(&self) -> String {
        format!("{}.accounting.users", self.prefix)
    }

    /// What the main queue is bound with.
    #[must_use]
    pub fn binding(&self) -> &'static str {
        "user.#"
    }

    /// Where failed messages wait for their next attempt.
    #[must_use]
    pub fn retry_queue(&self) -> String {
        format!("{}.retry", self.queue())
    }

    /// Where messages that were given up on are kept.
    #[must_use]
    pub fn dead_letter_queue(&self) -> String {
        format!("{}.dlq", self.queue())
    }
}

impl Default for Topology {
    fn default() -> Self {
        Self::new("accrue")
    }
}
