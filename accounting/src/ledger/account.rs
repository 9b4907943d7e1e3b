//! What the ledger keeps: accounts, allocations, entries.

use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

/// An enum whose variants are kept in stores and shown in JSON as fixed words.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $($(#[$variant_doc])* $variant),+
        }

        impl $name {
            /// Every one of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word that stores and replies use.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word),+
                }
            }

            /// The one that `word` names.
            #[must_use]
            pub fn from_word(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.word() == word)
            }
        }
    };
}

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

words! {
    /// What an entry is for.
    EntryKind {
        /// Credits were allocated.
        Allocation = "allocation",
        /// Welcome credits.
        Welcome = "welcome",
        /// An allocation ran out of time.
        Expiry = "expiry",
        /// What was left of an allocation of the older system when its database was adopted.
        Adoption = "adoption",
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
    /// Credits that are held.
    pub reserved: i64,
    /// The `seq` of the last entry; 0 before the first.
    pub last_seq: i64,
    /// When the last entry was booked.
    pub last_entry_at: Option<OffsetDateTime>,
    /// The soonest end of an allocation with something left. No allocation needs to
    /// be read before then.
    pub next_expiry_at: Option<OffsetDateTime>,
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
            last_seq: 0,
            last_entry_at: None,
            next_expiry_at: None,
            welcome: Welcome::Undecided,
        }
    }

    /// The instant at which a command is decided when the clock shows `now`: never
    /// before the last entry, though a clock was set back.
    #[must_use]
    pub fn decision_time(&self, now: OffsetDateTime) -> OffsetDateTime {
        self.last_entry_at.map_or(now, |last| last.max(now))
    }

    /// Whether an allocation has run out by `now`, so that its end must be booked.
    #[must_use]
    pub fn is_expiry_due(&self, now: OffsetDateTime) -> bool {
        self.next_expiry_at.is_some_and(|at| at <= self.decision_time(now))
    }
}

/// Credits that came in together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allocation {
    /// The allocation's id.
    pub id: Uuid,
    /// What it was made with.
    pub credits: i64,
    /// What of it is neither spent nor expired.
    pub remaining: i64,
    /// From this instant on nothing of it can be spent.
    pub expires_at: Option<OffsetDateTime>,
    /// Why.
    pub reason: Option<String>,
    /// Whatever the caller wanted kept with it: a JSON object.
    pub metadata: Option<Value>,
    /// Who asked for it.
    pub actor: String,
    /// When it was booked.
    pub recorded_at: OffsetDateTime,
}

/// One booking. Entries are never changed; `seq` has no gaps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// 1, 2, 3 … within the account.
    pub seq: i64,
    /// What it is for.
    pub kind: EntryKind,
    /// Credits in (positive) or out (negative).
    pub credits: i64,
    /// `available + reserved` after it.
    pub balance_after: i64,
    /// The allocation that it made or drew on.
    pub allocation_id: Uuid,
    /// Who asked.
    pub actor: String,
    /// When it was booked, never before the entry before it.
    pub recorded_at: OffsetDateTime,
}
