//! What the commands of a batch name, put together for one statement.

use std::collections::{BTreeMap, BTreeSet};

use time::OffsetDateTime;
use uuid::Uuid;

use crate::ledger::{AccountState, Accounts, Command, MAX_MOVED, Needs, Rejection};
use crate::store::{AccountView, StoreError};

/// The users on whose accounts `commands` are, sorted: the order in which every batch
/// waits for accounts.
pub(super) fn user_ids(commands: &[Command]) -> BTreeSet<&str> {
    commands.iter().flat_map(Command::user_ids).collect()
}

/// Those of them whose account is made if there is none: of a transfer the one that it
/// goes to.
pub(super) fn opened(commands: &[Command]) -> BTreeSet<&str> {
    let opening = commands.iter().filter(|command| command.needs().opens_account);
    let opening = opening.map(|command| command.user_id.as_str());
    opening.chain(commands.iter().filter_map(Command::counterparty)).collect()
}

/// Those of them of whom every pending allocation is needed.
pub(super) fn pending(commands: &[Command]) -> BTreeSet<&str> {
    let pending = commands.iter().filter(|command| command.needs().pending);
    pending.map(|command| command.user_id.as_str()).collect()
}

/// How many of them are enough, of each user: one transfer moves no more than the core
/// says, and those beyond it show that there are too many, though other commands of the
/// batch void some first.
pub(super) fn pending_limit(commands: &[Command]) -> i64 {
    i64::try_from(MAX_MOVED + commands.len() + 1).unwrap_or(i64::MAX)
}

/// The ids of one kind that `commands` need.
pub(super) fn needed(commands: &[Command], part: fn(&Needs) -> Option<Uuid>) -> Vec<(&str, Uuid)> {
    commands.iter().filter_map(|command| Some((command.user_id.as_str(), part(&command.needs())?))).collect()
}

/// The commands that change each user's account, in order.
pub(super) fn by_user(commands: &[Command]) -> BTreeMap<&str, Vec<&Command>> {
    let mut of_users: BTreeMap<&str, Vec<&Command>> = BTreeMap::new();
    for command in commands {
        for user_id in command.user_ids() {
            of_users.entry(user_id).or_default().push(command);
        }
    }
    of_users
}

/// The allocations that what is loaded by now points to.
pub(super) fn allocations(accounts: &Accounts, commands: &[Command]) -> Vec<(String, Uuid)> {
    let of_users = by_user(commands);
    let named = |(user_id, state): (&String, &AccountState)| {
        let commands = of_users.get(user_id.as_str()).into_iter().flatten().copied();
        let ids = state.allocations_named(commands);
        ids.into_iter().map(|id| (user_id.clone(), id)).collect::<Vec<_>>()
    };
    accounts.iter().flat_map(named).collect()
}

/// The resources whose units `commands` name, with the account that asks.
pub(super) fn resources_priced(accounts: &Accounts, commands: &[Command]) -> Vec<(String, String)> {
    let of_users = by_user(commands);
    let priced = |(user_id, state): (&String, &AccountState)| {
        let commands = of_users.get(user_id.as_str()).into_iter().flatten().copied();
        let resources = state.resources_priced(commands);
        resources.into_iter().map(|resource| (user_id.clone(), resource)).collect::<Vec<_>>()
    };
    accounts.iter().flat_map(priced).collect()
}

/// How many things of one kind that are due on one account one batch settles: a few may take
/// a moment, but not so long that the batch is cut off, or it would be for ever.
pub(super) const MOST_DUE: i64 = 2_000;

/// Notes how far what is due was read, where one more than `most` was found of a kind: up to
/// the latest of these instants.
pub(super) fn note_due_until(
    state: &mut AccountState,
    most: i64,
    instants: impl ExactSizeIterator<Item = OffsetDateTime>,
) {
    if i64::try_from(instants.len()).is_ok_and(|count| count > most) {
        state.due_until = state.due_until.into_iter().chain(instants.max()).min();
    }
}

/// Settles what is due on the accounts of a list, in memory. One whose books disagree is listed as
/// it is stored, rather than that the list fails for it.
pub(super) fn settle_listed(views: &mut [AccountView], mut due: Accounts, now: OffsetDateTime) {
    for view in views {
        let Some(mut state) = due.remove(&view.account.user_id) else { continue };
        match state.settle(now) {
            Ok(()) => view.account = state.account,
            Err(rejection) => tracing::error!(
                user_id = view.account.user_id,
                error = %rejection,
                "what is due on an account cannot be booked; it is listed as it is stored: `accrue audit` says more"
            ),
        }
    }
}

/// That an account could not be settled for reading.
pub(super) fn unsettled(rejection: &Rejection) -> StoreError {
    StoreError::Corrupt(rejection.to_string())
}
