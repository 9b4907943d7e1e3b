//! Decisions: each checks everything before it changes anything.

use accrue_events::user::{UserSnapshot, UserStatus};
use time::OffsetDateTime;
use uuid::Uuid;

use super::CREDITS_LIMIT;
use super::account::{Account, AccountState, AccountStatus, Allocation, Entry, EntryKind, Welcome};

/// Something that is to change an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
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
    /// Who asks.
    pub actor: String,
}

/// When and with how much a new user is welcomed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WelcomePolicy {
    /// Credits; 0 turns it off.
    pub credits: i64,
    /// Wait for a verified address.
    pub needs_verified_email: bool,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Receipt {
    /// Credits were added.
    Allocated {
        /// `available` after it.
        available: i64,
        /// Where the account stands.
        status: AccountStatus,
    },
    /// A user's snapshot was looked at.
    User(UserChange),
}

/// Why a command changed nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// Not 1 to 2^53 - 1.
    #[error("credits must be a whole number from 1 to 9007199254740991")]
    CreditsOutOfRange,
    /// The balance would not stay below 2^53.
    #[error("the balance would exceed 9007199254740991 credits")]
    BalanceLimit,
    /// The user was deleted.
    #[error("the account is closed and takes no new credits")]
    AccountClosed,
}

impl AccountState {
    /// Decides one command at `now`, the time read after the account was locked.
    ///
    /// # Errors
    /// [`Rejection`]; the state is then what booking expiries alone leaves.
    pub fn decide(
        &mut self,
        command: &Command,
        welcome: WelcomePolicy,
        now: OffsetDateTime,
    ) -> Result<Receipt, Rejection> {
        // A clock that was set back must not put an entry before the one before it.
        let now = self.account.last_entry_at.map_or(now, |last| last.max(now));
        self.book_expiries(now);
        match command {
            Command::Allocate(order) => allocate(self, order, now),
            Command::ApplyUser { user, welcome_id } => {
                Ok(Receipt::User(apply_user(self, user, *welcome_id, welcome, now)))
            }
        }
    }

    fn book_expiries(&mut self, now: OffsetDateTime) {
        for index in 0..self.allocations.len() {
            let allocation = &mut self.allocations[index];
            if allocation.remaining > 0 && allocation.expires_at.is_some_and(|at| at <= now) {
                let (id, lost) = (allocation.id, std::mem::take(&mut allocation.remaining));
                self.book(EntryKind::Expiry, -lost, id, "system", now);
            }
        }
    }

    fn book(&mut self, kind: EntryKind, credits: i64, allocation_id: Uuid, actor: &str, now: OffsetDateTime) {
        let account: &mut Account = &mut self.account;
        account.available += credits;
        account.last_seq += 1;
        account.last_entry_at = Some(now);
        self.entries.push(Entry {
            seq: account.last_seq,
            kind,
            credits,
            balance_after: account.available + account.reserved,
            allocation_id,
            actor: actor.to_owned(),
            recorded_at: now,
        });
    }

    fn credit(&mut self, kind: EntryKind, order: &Allocate, now: OffsetDateTime) {
        self.allocations.push(Allocation {
            id: order.allocation_id,
            credits: order.credits,
            remaining: order.credits,
            expires_at: order.expires_at,
            reason: order.reason.clone(),
            actor: order.actor.clone(),
            recorded_at: now,
        });
        self.book(kind, order.credits, order.allocation_id, &order.actor, now);
    }

    fn has_room_for(&self, credits: i64) -> bool {
        let balance = self.account.available + self.account.reserved;
        balance.checked_add(credits).is_some_and(|sum| sum < CREDITS_LIMIT)
    }
}

/// Adds credits, on a placeholder as on any other account that is not closed.
///
/// # Errors
/// [`Rejection`]; nothing was changed.
pub fn allocate(
    state: &mut AccountState,
    order: &Allocate,
    now: OffsetDateTime,
) -> Result<Receipt, Rejection> {
    if !(1..CREDITS_LIMIT).contains(&order.credits) {
        return Err(Rejection::CreditsOutOfRange);
    }
    if state.account.status == AccountStatus::Closed {
        return Err(Rejection::AccountClosed);
    }
    if !state.has_room_for(order.credits) {
        return Err(Rejection::BalanceLimit);
    }
    state.credit(EntryKind::Allocation, order, now);
    Ok(Receipt::Allocated { available: state.account.available, status: state.account.status })
}

/// Takes over a user's snapshot if it is newer than what the account knows. A
/// tombstone wins for ever. A stale live snapshot may still earn the welcome
/// credits, or their being given would hang on the order of delivery.
pub fn apply_user(
    state: &mut AccountState,
    user: &UserSnapshot,
    welcome_id: Uuid,
    welcome: WelcomePolicy,
    now: OffsetDateTime,
) -> UserChange {
    let account = &mut state.account;
    if account.status == AccountStatus::Closed {
        return UserChange::Stale;
    }
    let is_tombstone = user.status == UserStatus::Deleted;
    let is_newer = account.user_version.is_none_or(|known| user.version > known);
    let lifts_orphan =
        account.status == AccountStatus::Orphaned && account.user_version == Some(user.version);
    let applies = is_tombstone || is_newer || lifts_orphan;
    if applies {
        account.status = match user.status {
            UserStatus::Active => AccountStatus::Active,
            UserStatus::Deactivated => AccountStatus::Suspended,
            UserStatus::Deleted => AccountStatus::Closed,
        };
        account.user_version = Some(user.version.max(account.user_version.unwrap_or(user.version)));
        let live = |text: &Option<String>| if is_tombstone { None } else { text.clone() };
        account.email = live(&user.email);
        account.username = live(&user.username);
        account.display_name = live(&user.display_name);
    }
    decide_welcome(state, user, welcome_id, welcome, now);
    if applies { UserChange::Applied } else { UserChange::Stale }
}

fn decide_welcome(
    state: &mut AccountState,
    user: &UserSnapshot,
    id: Uuid,
    policy: WelcomePolicy,
    now: OffsetDateTime,
) {
    if state.account.welcome != Welcome::Undecided {
        return;
    }
    if user.status == UserStatus::Deleted {
        state.account.welcome = Welcome::Declined;
        return;
    }
    if policy.needs_verified_email && !user.email_verified {
        return;
    }
    if policy.credits <= 0 || !state.has_room_for(policy.credits) {
        state.account.welcome = Welcome::Declined;
        return;
    }
    state.account.welcome = Welcome::Granted;
    let order = Allocate {
        allocation_id: id,
        credits: policy.credits,
        expires_at: None,
        reason: Some("welcome".to_owned()),
        actor: "system".to_owned(),
    };
    state.credit(EntryKind::Welcome, &order, now);
}
