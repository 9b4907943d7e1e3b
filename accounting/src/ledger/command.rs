//! What goes into the ledger and what comes out: commands, receipts, rejections.

use accrue_events::user::UserSnapshot;
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

use super::idempotency::IdempotencyKey;

/// Something that is to change one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Whose account.
    pub user_id: String,
    /// What makes it apply once however often it is sent. User events carry none:
    /// their version does the same.
    pub idempotency: Option<IdempotencyKey>,
    /// What is to be done.
    pub action: Action,
}

/// What a command does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Add credits.
    Allocate(Allocate),
    /// Take over what auth says of the user. `welcome_id` names the welcome
    /// allocation should this snapshot be the one that earns it.
    ApplyUser {
        /// The user after the event.
        user: Box<UserSnapshot>,
        /// The id for a welcome allocation.
        welcome_id: Uuid,
    },
}

/// Credits to add.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allocate {
    /// The id of the allocation to make.
    pub allocation_id: Uuid,
    /// 1 to 2^53 - 1.
    pub credits: i64,
    /// From when on it cannot be spent.
    pub expires_at: Option<OffsetDateTime>,
    /// Why.
    pub reason: Option<String>,
    /// A JSON object to keep with it.
    pub metadata: Option<Value>,
    /// Who asks.
    pub actor: String,
}

impl Command {
    /// The command that an event of auth becomes. `welcome_id` is a fresh UUID of version 7.
    #[must_use]
    pub fn apply_user(user: UserSnapshot, welcome_id: Uuid) -> Self {
        let user_id = user.user_id.clone();
        let action = Action::ApplyUser { user: Box::new(user), welcome_id };
        Self { user_id, idempotency: None, action }
    }
}

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

/// What a user's snapshot did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserChange {
    /// It was newer, and is what the account shows now.
    Applied,
    /// The account already knew as much or more.
    Stale,
}

/// What a command did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Receipt {
    /// Something was booked, now or when the same request came before.
    Booked(Reply),
    /// A user's snapshot was looked at.
    User(UserChange),
}

/// The answer to a request that booked something. Kept with its key as bytes, so
/// that a repetition gets the very same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// What was made, as a path below the account, such as `allocations/<id>`.
    pub resource: String,
    /// The JSON body.
    pub body: Vec<u8>,
    /// Whether this request had been answered before.
    pub is_replay: bool,
}

/// Why a command changed nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// Not 1 to 2^53 - 1.
    #[error("credits must be a whole number from 1 to 9007199254740991")]
    CreditsOutOfRange,
    /// The balance would not stay below 2^53.
    #[error("the balance would exceed 9007199254740991 credits")]
    BalanceLimit,
    /// The allocation would have ended before it began.
    #[error("the allocation's end has passed")]
    EndHasPassed,
    /// The user was deleted.
    #[error("the account is closed and takes no new credits")]
    AccountClosed,
    /// Somebody else holds the account locked. Never the core's own decision; the same
    /// command may succeed a little later.
    #[error("the account is locked by somebody else")]
    AccountBusy,
    /// The key came before with another request.
    #[error("the idempotency key was used before with another request")]
    KeyReused,
    /// The key came before with this request, so long ago that its reply is gone.
    #[error("the idempotency key was used before; its reply is no longer kept")]
    ReplyGone {
        /// What was made then, as a path below the account.
        resource: String,
    },
}
