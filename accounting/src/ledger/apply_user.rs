//! Taking over what auth says of a user: any order and any repetition ends in the same
//! account. (One thing hangs on the order: a user who is deleted gets welcome credits
//! only if a live event came before the deletion.)

use accrue_events::user::{UserSnapshot, UserStatus};
use time::OffsetDateTime;
use uuid::Uuid;

use super::account::{AccountStatus, Welcome};
use super::allocation::{Allocation, DEFAULT_PRIORITY};
use super::command::SYSTEM;
use super::entry::EntryKind;
use super::policies::WelcomePolicy;
use super::receipt::UserChange;
use super::state::AccountState;

/// Takes over a user's snapshot if it is newer than what the account knows. A
/// tombstone wins for ever. A stale live snapshot may still earn the welcome
/// credits, or their being given would hang on the order of delivery.
pub(super) fn apply_user(
    state: &mut AccountState,
    user: &UserSnapshot,
    welcome_id: Uuid,
    welcome: WelcomePolicy,
    now: OffsetDateTime,
) -> UserChange {
    let account = &mut state.account;
    if account.status == AccountStatus::Closed {
        // Only what is known of auth's versions moves on.
        if account.user_version.is_none_or(|known| user.version > known) {
            account.user_version = Some(user.version);
            state.is_changed = true;
        }
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
        state.is_changed = true;
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
    let is_deleted = user.status == UserStatus::Deleted;
    let must_wait = policy.needs_verified_email && !user.email_verified && !is_deleted;
    if state.account.welcome != Welcome::Undecided || must_wait {
        return;
    }
    state.is_changed = true;
    if is_deleted || policy.credits <= 0 || state.require_room(policy.credits).is_err() {
        state.account.welcome = Welcome::Declined;
        return;
    }
    state.account.welcome = Welcome::Granted;
    let allocation = Allocation {
        id,
        credits: policy.credits,
        remaining: 0,
        reserved: 0,
        priority: DEFAULT_PRIORITY,
        effective_at: None,
        is_pending: false,
        expires_at: None,
        is_voided: false,
        reason: Some("welcome".to_owned()),
        metadata: None,
        actor: SYSTEM.to_owned(),
        recorded_at: now,
    };
    state.credit(EntryKind::Welcome, allocation, None);
}
