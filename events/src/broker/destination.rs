//! Where a publisher publishes to, and whether somebody has to be listening there.

/// What a publisher publishes to: an exchange, with what is expected of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destination {
    /// What happens to users. accounting lives on it, so a message that no queue takes
    /// is unconfirmed.
    Users,
    /// What happens to accounts. Whoever wants to know binds queues of their own, and
    /// nobody may: a message that no queue takes is confirmed, and gone.
    Accounts,
}

impl Destination {
    /// Whether a message must end in a queue to be confirmed.
    pub(super) fn is_mandatory(self) -> bool {
        match self {
            Self::Users => true,
            Self::Accounts => false,
        }
    }
}
