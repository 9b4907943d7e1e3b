//! Deciding: keys first, then expiries, then the command. Each checks before it changes.

use std::collections::BTreeMap;

use time::OffsetDateTime;

use super::command::{Action, Command, Receipt, Rejection, WelcomePolicy};
use super::idempotency::KeyRecord;
use super::state::AccountState;
use super::{allocate, apply_user};

/// The accounts of a batch by user id.
pub type Accounts = BTreeMap<String, AccountState>;

/// Decides a batch in order, at the time read after its accounts were locked.
///
/// # Panics
/// When an account that a command names is not there: the store must load each.
#[must_use]
pub fn decide_all(
    accounts: &mut Accounts,
    commands: &[Command],
    welcome: WelcomePolicy,
    now: OffsetDateTime,
) -> Vec<Result<Receipt, Rejection>> {
    commands
        .iter()
        .map(|command| {
            let state = accounts.get_mut(&command.user_id);
            state.expect("the store loads every account that a batch names").decide(command, welcome, now)
        })
        .collect()
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
        let now = self.account.decision_time(now);
        let key = command.idempotency.as_ref();
        if let Some((key, record)) = key.and_then(|key| Some((key, self.record_of(key)?))) {
            return record.answer(key, now).map(Receipt::Booked);
        }
        self.book_expiries(now);
        let receipt = match &command.action {
            Action::Allocate(order) => allocate::allocate(self, order, now).map(Receipt::Booked)?,
            Action::ApplyUser { user, welcome_id } => {
                Receipt::User(apply_user::apply_user(self, user, *welcome_id, welcome, now))
            }
        };
        if let (Some(key), Receipt::Booked(reply)) = (key, &receipt) {
            self.new_keys.push(KeyRecord {
                key: key.clone(),
                resource: reply.resource.clone(),
                reply: reply.body.clone(),
                recorded_at: now,
            });
        }
        Ok(receipt)
    }
}
