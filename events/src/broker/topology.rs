//! Exchanges and queues by name: declared alike by every process of every service.

use std::time::Duration;

use super::Destination;

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
/// How long a message waits in the retry queue unless somebody says otherwise.
const RETRY_DELAY: Duration = Duration::from_secs(30);

/// The prefix cannot stand before the names of exchanges and queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a topology prefix has 1 to 64 characters, each a letter, a digit, or one of . _ -")]
pub struct InvalidPrefix;

impl Topology {
    /// The topology under `prefix`, which is `accrue` unless an operator says otherwise.
    ///
    /// # Errors
    /// [`InvalidPrefix`]: AMQP names end at 255 bytes, and what a shell or a URL
    /// would have to quote is not worth it.
    pub fn new(prefix: impl Into<String>) -> Result<Self, InvalidPrefix> {
        let prefix = prefix.into();
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if prefix.is_empty() || prefix.len() > 64 || !prefix.bytes().all(is_plain) {
            return Err(InvalidPrefix);
        }
        Ok(Self { prefix, retry_delay: RETRY_DELAY })
    }

    /// The topic exchange that auth publishes on.
    #[must_use]
    pub fn users_exchange(&self) -> String {
        format!("{}.users", self.prefix)
    }

    /// The topic exchange that accounting publishes on, where its events are on.
    #[must_use]
    pub fn accounts_exchange(&self) -> String {
        format!("{}.accounts", self.prefix)
    }

    /// The exchange that `to` is.
    pub(super) fn exchange(&self, to: Destination) -> String {
        match to {
            Destination::Users => self.users_exchange(),
            Destination::Accounts => self.accounts_exchange(),
        }
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
        Self { prefix: "accrue".to_owned(), retry_delay: RETRY_DELAY }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_plain_and_short() {
        let named = Topology::new("t-3f9a.b_C").expect("a plain prefix");
        assert_eq!(named.retry_queue(), "t-3f9a.b_C.accounting.users.retry");
        assert_eq!(Topology::new("accrue"), Ok(Topology::default()));
        for prefix in ["", "a b", "a/b", "\u{e4}", "a\0", &"x".repeat(65)] {
            assert_eq!(Topology::new(prefix), Err(InvalidPrefix), "{prefix:?}");
        }
    }
}
