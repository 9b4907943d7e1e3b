//! Deciding: keys first, then what is due, then the command. Each checks before it changes.

use std::collections::BTreeMap;

use time::OffsetDateTime;

use super::chain::SaltSeed;
use super::command::{Action, Command};
use super::idempotency::KeyRecord;
use super::policies::Policies;
use super::receipt::{Receipt, Rejection};
use super::state::AccountState;
use super::transfer::{self, Target};
use super::{adjust, allocate, apply_user, capture, orphan, refund, reserve, spend, void};

/// The accounts of a batch by user id.
pub type Accounts = BTreeMap<String, AccountState>;

/// What the store holds of an account cannot be right: an entry would have taken what is not
/// there. Most likely it was changed by hand.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the balance and the allocations of the account {user_id} disagree")]
pub struct Overdrawn {
    /// Whose account.
    pub user_id: String,
}

/// Decides a batch in order, at the time read after its accounts were locked. The seed is
/// random, and for this batch alone.
///
/// # Errors
/// [`Overdrawn`]: nothing of the batch may be written.
///
/// # Panics
/// When an account that a command names is not there: the store must load each.
pub fn decide_all(
    accounts: &mut Accounts,
    commands: &[Command],
    policies: Policies,
    (now, salt_seed): (OffsetDateTime, SaltSeed),
) -> Result<Vec<Result<Receipt, Rejection>>, Overdrawn> {
    for state in accounts.values_mut() {
        state.salt_seed = salt_seed;
    }
    let decided = commands.iter().map(|command| decide_one(accounts, command, policies, now)).collect();
    match accounts.iter().find(|(_, state)| state.is_overdrawn) {
        Some((user_id, _)) => Err(Overdrawn { user_id: user_id.clone() }),
        None => Ok(decided),
    }
}

fn decide_one(
    accounts: &mut Accounts,
    command: &Command,
    policies: Policies,
    now: OffsetDateTime,
) -> Result<Receipt, Rejection> {
    const MISSING: &str = "the store loads every account that a batch names";
    let Some(other) = command.counterparty() else {
        return accounts.get_mut(&command.user_id).expect(MISSING).decide(command, policies, now);
    };
    if other == command.user_id {
        return Err(Rejection::SameAccount);
    }
    // Out of the map, while both are changed.
    let (user_id, mut target) = accounts.remove_entry(other).expect(MISSING);
    let source = accounts.get_mut(&command.user_id).expect(MISSING);
    let decided = source.decide_with(Some(&mut target), command, policies, now);
    accounts.insert(user_id, target);
    decided
}

impl AccountState {
    /// Decides one command at `now`, the time read after the account was locked.
    ///
    /// # Errors
    /// [`Rejection`]; the state is then what booking the due alone leaves, unless it
    /// [is overdrawn](AccountState::is_overdrawn).
    ///
    /// # Panics
    /// On a transfer, which changes two accounts: that takes [`decide_all`].
    pub fn decide(
        &mut self,
        command: &Command,
        policies: Policies,
        now: OffsetDateTime,
    ) -> Result<Receipt, Rejection> {
        self.decide_with(None, command, policies, now)
    }

    /// The same, with the account that a transfer goes to.
    fn decide_with(
        &mut self,
        other: Option<&mut Self>,
        command: &Command,
        policies: Policies,
        now: OffsetDateTime,
    ) -> Result<Receipt, Rejection> {
        let clock_now = now;
        let now = self.account.decision_time(now);
        let key = command.idempotency.as_ref();
        if let Some((key, record)) = key.and_then(|key| Some((key, self.record_of(key)?))) {
            return record.answer(key, now).map(Receipt::Booked);
        }
        self.settle(now)?;
        self.require_settled(now)?;
        // By the clock, not by this account's time: that is what it was loaded for.
        let target = other.map(|state| Target::settled(state, clock_now)).transpose()?;
        let receipt = self.act(target, command, policies, now)?;
        self.require_sound()?;
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
        target: Option<Target<'_>>,
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
            Action::Transfer(order) => {
                let target = target.expect("a transfer is decided with both of its accounts");
                transfer::transfer((self, target), (order, actor), now)
            }
            Action::ApplyUser { user, welcome_id } => {
                let change = apply_user::apply_user(self, user, *welcome_id, policies.welcome, now);
                return Ok(Receipt::User(change));
            }
            Action::Orphan { user_version } => return orphan::orphan(self, *user_version),
            Action::Settle => return Ok(Receipt::Settled),
        };
        reply.map(Receipt::Booked)
    }
}
