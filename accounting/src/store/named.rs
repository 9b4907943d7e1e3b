//! What the commands of a batch name, put together for one statement.

use std::collections::BTreeSet;

use uuid::Uuid;

use crate::ledger::{AccountState, Accounts, Command, Needs, Rejection};
use crate::store::StoreError;

/// The users on whose accounts `commands` are, sorted: the order in which every batch
/// waits for accounts.
pub(super) fn user_ids(commands: &[Command]) -> BTreeSet<&str> {
    commands.iter().map(|command| command.user_id.as_str()).collect()
}

/// Those of them whose account is made if there is none.
pub(super) fn opened(commands: &[Command]) -> BTreeSet<&str> {
    let opening = commands.iter().filter(|command| command.needs().opens_account);
    opening.map(|command| command.user_id.as_str()).collect()
}

/// The ids of one kind that `commands` need.
pub(super) fn needed(commands: &[Command], part: fn(&Needs) -> Option<Uuid>) -> Vec<(&str, Uuid)> {
    commands.iter().filter_map(|command| Some((command.user_id.as_str(), part(&command.needs())?))).collect()
}

/// The commands of one user.
pub(super) fn of<'a>(commands: &'a [Command], user_id: &'a str) -> impl Iterator<Item = &'a Command> {
    commands.iter().filter(move |command| command.user_id == user_id)
}

/// The allocations that what is loaded by now points to.
pub(super) fn allocations(accounts: &Accounts, commands: &[Command]) -> Vec<(String, Uuid)> {
    let named = |(user_id, state): (&String, &AccountState)| {
        let ids = state.allocations_named(of(commands, user_id));
        ids.into_iter().map(|id| (user_id.clone(), id)).collect::<Vec<_>>()
    };
    accounts.iter().flat_map(named).collect()
}

/// That an account could not be settled for reading.
pub(super) fn unsettled(rejection: &Rejection) -> StoreError {
    StoreError::Corrupt(rejection.to_string())
}
