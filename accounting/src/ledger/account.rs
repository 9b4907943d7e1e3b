//! An account: whose it is, where it stands, what it holds in sum.

use time::OffsetDateTime;

use super::chain::Digest;
use super::words::words;

words! {
    /// Where an account stands with the user it belongs to.
    AccountStatus {
        /// Credits were booked before the user's event arrived.
        Placeholder = "placeholder",
        /// The user is known and may sign in.
        Active = "active",
        /// The user was deactivated in auth.
        Suspended = "suspended",
        /// The user was deleted: the ledger stays, personal data went.
        Closed = "closed",
        /// Reconciliation found no such user; a live snapshot lifts it.
        Orphaned = "orphaned",
    }
}

words! {
    /// Whether the account got its welcome credits. Decided once, also when it is no.
    Welcome {
        /// No snapshot has qualified yet.
        Undecided = "undecided",
        /// Granted.
        Granted = "granted",
        /// Decided: none.
        Declined = "declined",
    }
}

/// One account. `available + reserved` equals the sum of its entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Opaque, at most 50 characters.
    pub user_id: String,
    /// Where the account stands.
    pub status: AccountStatus,
    /// The version of the newest user snapshot that was applied.
    pub user_version: Option<i64>,
    /// The user's address; none on placeholders and closed accounts.
    pub email: Option<String>,
    /// The user's name for signing in.
    pub username: Option<String>,
    /// What to call the user.
    pub display_name: Option<String>,
    /// Credits that can be spent. As the ledger keeps it, this still counts what has
    /// run out since the last command; as a view shows it, it does not.
    pub available: i64,
    /// Credits that reservations hold.
    pub reserved: i64,
    /// Credits of allocations whose time has not come. They are in no entry yet, and
    /// count against the limit of a balance all the same, so that none is ever
    /// refused when its time comes.
    pub pending: i64,
    /// The `seq` of the last entry; 0 before the first.
    pub last_seq: i64,
    /// When the last entry was booked.
    pub last_entry_at: Option<OffsetDateTime>,
    /// The hash of the last entry; none before the first.
    pub chain_head: Option<Digest>,
    /// No later than the soonest instant at which something falls due: a pending
    /// allocation begins, a reservation or an allocation with something left ends. It
    /// may be too early, since what was spent up is not looked for; settling makes it
    /// exact again. Before it nothing need be read to know what can be spent.
    pub next_due_at: Option<OffsetDateTime>,
    /// The welcome decision.
    pub welcome: Welcome,
}

impl Account {
    /// An account that nothing is known of but its id.
    pub fn placeholder(user_id: impl Into<String>) -> Self {
        Self {
            user_id: user_id.into(),
            status: AccountStatus::Placeholder,
            user_version: None,
            email: None,
            username: None,
            display_name: None,
            available: 0,
            reserved: 0,
            pending: 0,
            last_seq: 0,
            last_entry_at: None,
            chain_head: None,
            next_due_at: None,
            welcome: Welcome::Undecided,
        }
    }

    /// The instant at which a command is decided when the clock shows `now`: never
    /// before the last entry, though a clock was set back.
    #[must_use]
    pub fn decision_time(&self, now: OffsetDateTime) -> OffsetDateTime {
        self.last_entry_at.map_or(now, |last| last.max(now))
    }

    /// Whether something has fallen due by `now`, so that it must be booked.
    #[must_use]
    pub fn is_due(&self, now: OffsetDateTime) -> bool {
        self.next_due_at.is_some_and(|at| at <= self.decision_time(now))
    }
}
