//! What the ledger knows of one account while it decides.

use time::OffsetDateTime;
use uuid::Uuid;

/// Where an account stands with the user it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountStatus {
    /// Credits were booked before the user's event arrived.
    Placeholder,
    /// The user is known and may sign in.
    Active,
    /// The user was deactivated in auth.
    Suspended,
    /// The user was deleted: the ledger stays, personal data went.
    Closed,
    /// Reconciliation found no such user; a live snapshot lifts it.
    Orphaned,
}

/// Whether the account got its welcome credits. Decided once, also when it is no.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Welcome {
    /// No snapshot has qualified yet.
    Undecided,
    /// Granted.
    Granted,
    /// Decided: none.
    Declined,
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
    /// Credits that can be spent.
    pub available: i64,
    /// Credits that are held.
    pub reserved: i64,
    /// The `seq` of the last entry; 0 before the first.
    pub last_seq: i64,
    /// When the last entry was booked.
    pub last_entry_at: Option<OffsetDateTime>,
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
            welcome: Welcome::Undecided,
        }
    }
}

/// Credits that came in together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allocation {
    /// The allocation's id.
    pub id: Uuid,
    /// What it was made with, above 0.
    pub credits: i64,
    /// What of it is neither spent nor expired.
    pub remaining: i64,
    /// From this instant on nothing of it can be spent.
    pub expires_at: Option<OffsetDateTime>,
    /// Why.
    pub reason: Option<String>,
    /// Who asked for it.
    pub actor: String,
    /// When it was booked.
    pub recorded_at: OffsetDateTime,
}

/// What an entry is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// Credits were allocated.
    Allocation,
    /// Welcome credits.
    Welcome,
    /// An allocation ran out of time.
    Expiry,
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

/// An account as loaded for a batch, and what the batch adds to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountState {
    /// The account.
    pub account: Account,
    /// Allocations that were loaded (those that expire) or made.
    pub allocations: Vec<Allocation>,
    /// Entries that the batch adds, in order.
    pub entries: Vec<Entry>,
}

impl AccountState {
    /// A state with nothing loaded but the account.
    #[must_use]
    pub fn new(account: Account) -> Self {
        Self { account, allocations: Vec::new(), entries: Vec::new() }
    }
}
