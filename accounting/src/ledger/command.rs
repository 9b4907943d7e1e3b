//! What goes into the ledger: commands, each for one account, and transfers for two.

use accrue_events::user::UserSnapshot;
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

use super::cost::Cost;
use super::idempotency::IdempotencyKey;

/// Who asks where nobody does: what falls due, welcome credits.
pub(super) const SYSTEM: &str = "system";

/// Something that is to change one account, or, for transfers, two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Whose account. Of a transfer: whose credits go.
    pub user_id: String,
    /// Who asks.
    pub actor: String,
    /// What makes it apply once however often it is sent. User events carry none:
    /// their version does the same.
    pub idempotency: Option<IdempotencyKey>,
    /// What is to be done.
    pub action: Action,
}

/// What a command does. The ids are fresh UUIDs of version 7 where something is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Add credits.
    Allocate(Allocate),
    /// Forfeit what is unspent of an allocation.
    Void {
        /// Which.
        allocation_id: Uuid,
        /// Why.
        reason: Option<String>,
    },
    /// Spend credits.
    Use(Use),
    /// Give spent credits back.
    Refund {
        /// Of which usage.
        usage_id: Uuid,
        /// How many; none for all that can still come back.
        credits: Option<i64>,
        /// Why.
        reason: Option<String>,
    },
    /// Hold credits for later.
    Reserve(Reserve),
    /// Spend what is held.
    Capture(Capture),
    /// Give back what is held.
    Release {
        /// Of which reservation.
        reservation_id: Uuid,
    },
    /// Hold for longer.
    Extend {
        /// Which reservation.
        reservation_id: Uuid,
        /// For how many seconds from now. It never shortens.
        expires_in_s: i64,
    },
    /// Correct the balance by hand.
    Adjust(Adjust),
    /// Move credits to another account.
    Transfer(Transfer),
    /// Take over what auth says of the user. `welcome_id` names the welcome
    /// allocation should this snapshot be the one that earns it.
    ApplyUser {
        /// The user after the event.
        user: Box<UserSnapshot>,
        /// The id for a welcome allocation.
        welcome_id: Uuid,
    },
    /// Mark the account as one whose user auth does not know.
    Orphan {
        /// The version of the user that the account has, as far as whoever asks knows.
        user_version: Option<i64>,
    },
    /// Book what is due, and nothing else.
    Settle,
}

/// Credits to add.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allocate {
    /// The id of the allocation to make.
    pub allocation_id: Uuid,
    /// 1 to 2^53 - 1.
    pub credits: i64,
    /// 0 to 100; lower burns first.
    pub priority: i16,
    /// From when on it can be spent; none, or an instant that has passed, for at once.
    pub effective_at: Option<OffsetDateTime>,
    /// From when on it cannot be spent.
    pub expires_at: Option<OffsetDateTime>,
    /// Why.
    pub reason: Option<String>,
    /// A JSON object to keep with it.
    pub metadata: Option<Value>,
}

/// Credits to spend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    /// The id of the usage to make.
    pub usage_id: Uuid,
    /// What it costs.
    pub cost: Cost,
    /// What for, as the caller names it.
    pub resource: Option<String>,
    /// A JSON object to keep with it.
    pub metadata: Option<Value>,
}

/// Credits to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reserve {
    /// The id of the reservation to make.
    pub reservation_id: Uuid,
    /// What it holds.
    pub cost: Cost,
    /// For how many seconds: 1 to 30 days' worth.
    pub expires_in_s: i64,
    /// What for, as the caller names it.
    pub resource: Option<String>,
    /// A JSON object to keep with it, and with the usage that it becomes.
    pub metadata: Option<Value>,
}

/// Held credits to spend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capture {
    /// Which reservation.
    pub reservation_id: Uuid,
    /// The id of the usage to make.
    pub usage_id: Uuid,
    /// What it costs in all; none for what is held. What is held beyond that comes
    /// back; what is lacking is drawn from what is available. Units are of the
    /// reservation's resource.
    pub cost: Option<Cost>,
    /// What to do where too little is available.
    pub on_shortfall: OnShortfall,
}

/// What to do where a capture wants more than what is held and available.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnShortfall {
    /// Nothing is captured.
    Reject,
    /// What is there is captured, and the rest recorded as not collected.
    Cap,
}

/// A correction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adjust {
    /// The id of the adjustment, and of the allocation that it makes if it adds credits.
    pub adjustment_id: Uuid,
    /// What to change.
    pub change: Correction,
    /// Why.
    pub reason: String,
}

/// What a correction changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Correction {
    /// Add these credits, or take them away if negative. Not 0.
    By(i64),
    /// Make what is available this much, whatever it is by then.
    SetAvailable(i64),
}

/// Credits to move to another account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    /// The id of the transfer. Those of the allocations that it makes count up from it.
    pub transfer_id: Uuid,
    /// Who gets them: somebody else.
    pub to: String,
    /// How many of what is available; none for all that is available or pending.
    pub credits: Option<i64>,
    /// Why.
    pub reason: String,
}

impl Command {
    /// The other account that this changes.
    #[must_use]
    pub fn counterparty(&self) -> Option<&str> {
        match &self.action {
            Action::Transfer(order) => Some(&order.to),
            _ => None,
        }
    }

    /// Everybody whose account this changes.
    pub fn user_ids(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.user_id.as_str()).chain(self.counterparty())
    }

    /// The command that an event of auth becomes. `welcome_id` is a fresh UUID of version 7.
    #[must_use]
    pub fn apply_user(user: UserSnapshot, welcome_id: Uuid) -> Self {
        let user_id = user.user_id.clone();
        let action = Action::ApplyUser { user: Box::new(user), welcome_id };
        Self { user_id, actor: SYSTEM.to_owned(), idempotency: None, action }
    }

    /// The command that books what is due on an account.
    #[must_use]
    pub fn settle(user_id: String) -> Self {
        Self { user_id, actor: SYSTEM.to_owned(), idempotency: None, action: Action::Settle }
    }
}
