//! What is loaded for a batch, worked by hand: neither too little nor much too much.

use std::collections::BTreeSet;

use accrue_events::user::UserStatus;
use uuid::Uuid;

use super::edges::{allocation, command, spend};
use super::properties::user;
use super::*;
use crate::rates::Units;

fn units(quantity: u64) -> Units {
    Units::new([("tokens".to_owned(), quantity)].into()).expect("units")
}

#[test]
fn commands_say_whether_they_open_an_account() {
    let by_units = |resource: &str| Use {
        usage_id: Uuid::now_v7(),
        cost: Cost::Units(units(1)),
        resource: Some(resource.to_owned()),
        metadata: None,
    };
    for (action, opens) in [
        (Action::Allocate(allocation(1)), true),
        (Action::Use(by_units("chat")), true),
        (spend(1), false),
        (Action::Settle, false),
    ] {
        assert_eq!(command("u", action.clone()).needs().opens_account, opens, "{action:?}");
    }
}

#[test]
fn a_capture_is_priced_by_the_resource_of_its_own_reservation() {
    let reserve = |id: u128, resource: &str| {
        Action::Reserve(Reserve {
            reservation_id: Uuid::from_u128(id),
            cost: Cost::Credits(1),
            expires_in_s: 60,
            resource: Some(resource.to_owned()),
            metadata: None,
        })
    };
    let capture = Action::Capture(Capture {
        reservation_id: Uuid::from_u128(2),
        usage_id: Uuid::from_u128(9),
        cost: Some(Cost::Units(units(1))),
        on_shortfall: OnShortfall::Reject,
    });
    let commands = [reserve(1, "one"), reserve(2, "two"), capture].map(|action| command("u", action));
    let state = AccountState::new(Account::placeholder("u"));
    assert_eq!(state.resources_priced(commands.iter()), BTreeSet::from(["two".to_owned()]));
}

/// What an account with `available` credits must be loaded with for `commands`.
fn needed(available: i64, commands: &[Command]) -> i64 {
    let mut state = AccountState::new(Account { available, ..Account::placeholder("u") });
    state.usages.hold(rows::usage(7));
    state.spendable_needed(commands.iter()).credits
}

#[test]
fn what_comes_in_can_be_spent_in_the_same_batch() {
    let refund = Action::Refund { usage_id: Uuid::from_u128(7), credits: None, reason: None };
    let transfer = |to: &str| {
        Action::Transfer(Transfer {
            transfer_id: Uuid::from_u128(8),
            to: to.to_owned(),
            credits: Some(10),
            reason: "mistyped".to_owned(),
        })
    };
    for (name, comes_in) in [
        ("a refund", command("u", refund)),
        ("welcome credits", user(1, UserStatus::Active)),
        ("a transfer", command("other", transfer("u"))),
        ("an allocation", command("u", Action::Allocate(allocation(10)))),
    ] {
        assert_eq!(needed(20, std::slice::from_ref(&comes_in)), 0, "{name} takes nothing");
        assert_eq!(needed(0, &[comes_in, command("u", spend(10))]), 10, "{name} can be spent");
    }
    // What is given away cannot: the second is refused, and needs nothing.
    assert_eq!(needed(10, &[command("u", transfer("other")), command("u", spend(15))]), 10);
}

#[test]
fn no_more_is_loaded_than_can_be_taken() {
    let account = Account { available: 10, reserved: 5, ..Account::placeholder("u") };
    let mut state = AccountState::new(account);
    state.reservations.hold(rows::reservation(1));
    let needed = |action| state.spendable_needed([command("u", action)].iter());
    let capture = Action::Capture(Capture {
        reservation_id: Uuid::from_u128(1),
        usage_id: Uuid::from_u128(2),
        cost: Some(Cost::Credits(100)),
        on_shortfall: OnShortfall::Reject,
    });
    assert_eq!(needed(capture).credits, 15, "a capture draws what there is");
    let transfer = Action::Transfer(Transfer {
        transfer_id: Uuid::from_u128(8),
        to: "other".to_owned(),
        credits: None,
        reason: "mistyped".to_owned(),
    });
    let of_some = Action::Transfer(Transfer {
        transfer_id: Uuid::from_u128(8),
        to: "other".to_owned(),
        credits: Some(16),
        reason: "mistyped".to_owned(),
    });
    assert_eq!(needed(of_some).credits, 0, "a transfer of more than there can be is refused");
    let most = i64::try_from(super::transfer::MAX_MOVED).expect("few");
    let commands = [Action::Allocate(allocation(1)), transfer].map(|action| command("u", action));
    assert_eq!(state.spendable_needed(commands.iter()).allocations, most, "a transfer moves so many");
}
