//! Deciding: keys first, then what is due, then the command. Each checks before it changes.

use std::collections::BTreeMap;

use time::OffsetDateTime;

use super::chain::SaltSeed;
use super::command::{Action, Command};
use super::idempotency::KeyRecord;
use super::policies::Policies;
use super::receipt::{Receipt, Rejection};
use super::state::AccountState;
use super::{adjust, allocate, apply_user, capture, refund, reserve, spend, void};

/// The accounts of a batch by user id.
pub type Accounts = BTreeMap<String, AccountState>;

/// Decides a batch in order, at the time read after its accounts were locked. The seed is
/// random, and for this batch alone.
///
/// # Panics
/// When an account that a command names is not there: the store must load each.
#[must_use]
pub fn decide_all(
    accounts: &mut Accounts,
    commands: &[Command],
    policies: Policies,
    (now, salt_seed): (OffsetDateTime, SaltSeed),
) -> Vec<Result<Receipt, Rejection>> {
    for state in accounts.values_mut() {
        state.salt_seed = salt_seed;
    }
    commands
        .iter()
        .map(|command| {
            let state = accounts.get_mut(&command.user_id);
            state.expect("the store loads every account that a batch names").decide(command, policies, now)
        })
        .collect()
}

impl AccountState {
    /// Decides one command at `now`, the time read after the account was locked.
    ///
    /// # Errors
    /// [`Rejection`]; the state is then what booking the due alone leaves.
    pub fn decide(
        &mut self,
        command: &Command,
        policies: Policies,
        now: OffsetDateTime,
    ) -> Result<Receipt, Rejection> {
        let now = self.account.decision_time(now);
        let key = command.idempotency.as_ref();
        if let Some((key, record)) = key.and_then(|key| Some((key, self.record_of(key)?))) {
            return record.answer(key, now).map(Receipt::Booked);
        }
        self.settle(now)?;
        let receipt = self.act(command, policies, now)?;
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

    fn act(
        &mut self,
        command: &Command,
        policies: Policies,
        now: OffsetDateTime,
    ) -> Result<Receipt, Rejection> {
        let actor = command.actor.as_str();
        let reply = match &command.action {
            Action::Allocate(order) => allocate::allocate(self, (order, actor), now),
            Action::Void { allocation_id, reason } => {
                void::void(self, (*allocation_id, reason.as_deref(), actor), now)
            }
            Action::Use(order) => spend::spend(self, (order, actor), policies, now),
            Action::Refund { usage_id, credits, reason } => {
                let (usage_id, credits, reason) = (*usage_id, *credits, reason.as_deref());
                refund::refund(self, &refund::Order { usage_id, credits, reason, actor }, now)
            }
            Action::Reserve(order) => reserve::reserve(self, (order, actor), policies, now),
            Action::Capture(order) => capture::capture(self, (order, actor), policies, now),
            Action::Release { reservation_id } => reserve::release(self, (*reservation_id, actor), now),
            Action::Extend { reservation_id, expires_in_s } => {
                reserve::extend(self, (*reservation_id, *expires_in_s), policies, now)
            }
            Action::Adjust(order) => adjust::adjust(self, (order, actor), now),
            Action::ApplyUser { user, welcome_id } => {
                let change = apply_user::apply_user(self, user, *welcome_id, policies.welcome, now);
                return Ok(Receipt::User(change));
            }
            Action::Settle => return Ok(Receipt::Settled),
        };
        reply.map(Receipt::Booked)
    }
}
