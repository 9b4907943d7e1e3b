//! What a store must load for a command, so that it loads no more than that.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::command::{Action, Capture, Command, Correction, Reserve, Use};
use super::cost::Cost;
use super::state::AccountState;
use super::transfer::MAX_MOVED;

/// What a command needs of its account, besides the account itself, the key that the
/// command carries, and what is due.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Needs {
    /// Whether it makes the account if there is none. Others find nothing there. What a
    /// transfer makes is the other account.
    pub opens_account: bool,
    /// This usage, with the allocations that it drew on.
    pub usage: Option<Uuid>,
    /// This reservation, with the allocations that it draws on.
    pub reservation: Option<Uuid>,
    /// This allocation.
    pub allocation: Option<Uuid>,
    /// Every pending allocation; of very many, enough to see that they are too many for
    /// one transfer.
    pub pending: bool,
}

/// How much a batch needs of the open allocations of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spendable {
    /// As many credits as this.
    pub credits: i64,
    /// But no more allocations than this.
    pub allocations: i64,
}

impl Command {
    /// What must be loaded before this can be decided.
    #[must_use]
    pub fn needs(&self) -> Needs {
        let none = Needs::default();
        match &self.action {
            Action::Allocate(_) | Action::Adjust(_) | Action::ApplyUser { .. } => {
                Needs { opens_account: true, ..none }
            }
            Action::Void { allocation_id, .. } => Needs { allocation: Some(*allocation_id), ..none },
            Action::Refund { usage_id, .. } => Needs { usage: Some(*usage_id), ..none },
            Action::Release { reservation_id } | Action::Extend { reservation_id, .. } => {
                Needs { reservation: Some(*reservation_id), ..none }
            }
            Action::Capture(capture) => Needs { reservation: Some(capture.reservation_id), ..none },
            // Units may come to nothing, which anybody has.
            Action::Use(Use { cost, .. }) | Action::Reserve(Reserve { cost, .. }) => {
                Needs { opens_account: matches!(cost, Cost::Units(_)), ..none }
            }
            Action::Transfer(order) => Needs { pending: order.credits.is_none(), ..none },
            Action::Orphan { .. } | Action::Settle => none,
        }
    }
}

impl AccountState {
    /// The allocations that the usages and reservations held, and the commands' own
    /// words, point to.
    #[must_use]
    pub fn allocations_named<'a>(&self, commands: impl Iterator<Item = &'a Command>) -> BTreeSet<Uuid> {
        let used = self.usages.iter().flat_map(|usage| &usage.draws);
        let held = self.reservations.iter().filter(|one| one.is_held()).flat_map(|one| &one.draws);
        let drawn = used.chain(held).map(|share| share.allocation_id);
        drawn.chain(commands.filter_map(|command| command.needs().allocation)).collect()
    }

    /// The resources whose rate in force must be loaded into [`AccountState::rates`]: those
    /// whose units `commands` name. To be asked when what they name has been loaded.
    #[must_use]
    pub fn resources_priced<'a>(&self, commands: impl Iterator<Item = &'a Command>) -> BTreeSet<String> {
        let commands: Vec<&Command> = commands.collect();
        let in_units = commands.iter().filter(|command| matches!(cost(command), Some(Cost::Units(_))));
        in_units.filter_map(|command| self.resource(command, &commands).map(ToOwned::to_owned)).collect()
    }

    /// The resource that `command`, one of `commands`, spends or holds credits for.
    fn resource<'a>(&'a self, command: &'a Command, commands: &[&'a Command]) -> Option<&'a str> {
        match &command.action {
            Action::Use(Use { resource, .. }) | Action::Reserve(Reserve { resource, .. }) => {
                resource.as_deref()
            }
            Action::Capture(Capture { reservation_id, .. }) => {
                let held = self.reservations.get(*reservation_id).map(|one| one.resource.as_deref());
                let made = || {
                    commands.iter().find_map(|command| match &command.action {
                        Action::Reserve(order) if order.reservation_id == *reservation_id => {
                            Some(order.resource.as_deref())
                        }
                        _ => None,
                    })
                };
                held.or_else(made).flatten()
            }
            _ => None,
        }
    }

    /// What `commands`, all those of a batch that change this account, may take out of open
    /// allocations: the store loads these in burn order until it has as much, or all. To be
    /// asked when everything else has been loaded.
    ///
    /// It may be too much, never too little: what was loaded in burn order is not used
    /// up before the last command, so nothing that was left out can come before it. Where
    /// only transfers take any, each uses up [`MAX_MOVED`] allocations at most.
    #[must_use]
    pub fn spendable_needed<'a>(&self, commands: impl Iterator<Item = &'a Command>) -> Spendable {
        let commands: Vec<&Command> = commands.collect();
        let (mut needed, mut allocations) = (0_i64, 0_i64);
        // The most that may be available by then: what is due can bring all that is pending
        // and all that is held.
        let super::Account { available, reserved, pending, .. } = self.account;
        let mut ceiling = available.saturating_add(reserved).saturating_add(pending);
        for command in &commands {
            let reservation = command.needs().reservation.and_then(|id| self.reservations.get(id));
            let held = reservation.map_or(0, |one| one.credits);
            let comes_in = command.user_id != self.account.user_id;
            let takes = match &command.action {
                Action::Use(_) | Action::Reserve(_) => self.costs(command, &commands),
                Action::Capture(_) => self.costs(command, &commands).saturating_sub(held),
                Action::Void { allocation_id, .. } => {
                    self.allocations.get(*allocation_id).map_or(0, |one| one.credits)
                }
                Action::Adjust(adjust) => match adjust.change {
                    Correction::By(credits) => credits.saturating_neg(),
                    Correction::SetAvailable(credits) => ceiling.saturating_sub(credits),
                },
                Action::Transfer(order) if !comes_in => order.credits.unwrap_or(i64::MAX),
                _ => 0,
            };
            let brings = match &command.action {
                Action::Allocate(order) => order.credits,
                Action::Refund { usage_id, .. } => self.usages.get(*usage_id).map_or(0, |one| one.credits),
                Action::Adjust(adjust) => match adjust.change {
                    Correction::By(credits) | Correction::SetAvailable(credits) => credits,
                },
                Action::Transfer(order) if comes_in => order.credits.unwrap_or(i64::MAX),
                Action::ApplyUser { .. } => i64::MAX,
                _ => held,
            };
            let takes = match &command.action {
                // It will be refused, whatever is loaded.
                _ if takes > ceiling && is_exact(command) => 0,
                // It draws what there is, and no more.
                Action::Capture(_) => takes.min(ceiling),
                _ => takes,
            };
            needed = needed.saturating_add(takes.max(0));
            if takes > 0 {
                let most = match command.action {
                    Action::Transfer(_) => i64::try_from(MAX_MOVED).unwrap_or(i64::MAX),
                    _ => i64::MAX,
                };
                allocations = allocations.saturating_add(most);
            }
            ceiling = ceiling.saturating_add(brings.max(0));
        }
        Spendable { credits: needed, allocations }
    }

    /// What `command` costs; 0 where it will be refused, or costs what is held.
    fn costs<'a>(&'a self, command: &'a Command, commands: &[&'a Command]) -> i64 {
        let resource = self.resource(command, commands);
        let charge = cost(command).map(|cost| self.charge(cost, resource));
        charge.and_then(Result::ok).map_or(0, |charge| charge.credits)
    }
}

/// Whether the command takes what it says or is refused.
fn is_exact(command: &Command) -> bool {
    match &command.action {
        Action::Use(_) | Action::Reserve(_) | Action::Adjust(_) => true,
        Action::Transfer(order) => order.credits.is_some(),
        _ => false,
    }
}

/// What a command says that it costs.
fn cost(command: &Command) -> Option<&Cost> {
    match &command.action {
        Action::Use(Use { cost, .. }) | Action::Reserve(Reserve { cost, .. }) => Some(cost),
        Action::Capture(Capture { cost, .. }) => cost.as_ref(),
        _ => None,
    }
}
