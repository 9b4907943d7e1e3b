//! Marking an account whose user auth does not know: a status, and nothing else.

use super::account::AccountStatus;
use super::receipt::{Receipt, Rejection};
use super::state::AccountState;

/// Marks the account, if it is still as whoever asks saw it: active or suspended, by this
/// version of its user. An event that came since says that there is such a user.
pub(super) fn orphan(state: &mut AccountState, user_version: Option<i64>) -> Result<Receipt, Rejection> {
    let account = &mut state.account;
    if account.user_version != user_version {
        return Err(Rejection::AccountChanged);
    }
    match account.status {
        AccountStatus::Orphaned => {}
        AccountStatus::Active | AccountStatus::Suspended => {
            account.status = AccountStatus::Orphaned;
            state.is_changed = true;
        }
        AccountStatus::Placeholder | AccountStatus::Closed => return Err(Rejection::AccountChanged),
    }
    Ok(Receipt::Orphaned)
}
