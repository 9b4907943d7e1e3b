//! What holds of accounts whose user auth does not know, whatever came before.

use accrue_events::user::UserStatus;
use proptest::prelude::*;

use super::properties::{WELCOME, any_command, at, orphan, user};
use super::rig::Whole;
use super::*;

/// An account after `commands`, and then the one command, as a batch of its own.
fn after(whole: &Whole, command: &Command) -> (Result<Receipt, Rejection>, AccountState) {
    let mut state = whole.load(std::slice::from_ref(command), at(0));
    let result = state.decide(command, WELCOME, at(0));
    (result, state)
}

proptest! {
    #[test]
    fn orphaning_changes_the_status_and_nothing_else(
        commands in prop::collection::vec(any_command(), 0..20), version in proptest::option::of(0..10_i64)
    ) {
        let mut whole = Whole::new();
        whole.post(&commands, WELCOME, at(0));
        let before = whole.account.clone();
        let (result, state) = after(&whole, &orphan(version));
        let could = matches!(
            before.status,
            AccountStatus::Active | AccountStatus::Suspended | AccountStatus::Orphaned
        );
        let expected = if could && before.user_version == version {
            Ok(Receipt::Orphaned)
        } else {
            Err(Rejection::AccountChanged)
        };
        prop_assert_eq!(&result, &expected);
        let status = if result.is_ok() { AccountStatus::Orphaned } else { before.status };
        prop_assert_eq!(&state.account, &Account { status, ..before.clone() });
        prop_assert_eq!(state.is_changed, result.is_ok() && before.status != AccountStatus::Orphaned);
        prop_assert!(state.entries.is_empty());
        // The second time it is the same, and nothing is written.
        whole.save(state);
        let (again, state) = after(&whole, &orphan(version));
        prop_assert_eq!(again, expected);
        prop_assert!(!state.is_changed);
    }

    #[test]
    fn a_user_who_is_there_after_all_lifts_it(
        commands in prop::collection::vec(any_command(), 0..20),
        (known, ahead) in (0..10_i64, 0..3_i64),
        status in prop_oneof![Just(UserStatus::Active), Just(UserStatus::Deactivated), Just(UserStatus::Deleted)],
    ) {
        let mut whole = Whole::new();
        whole.post(&commands, WELCOME, at(0));
        whole.post(&[user(known, UserStatus::Active)], WELCOME, at(0));
        let version = whole.account.user_version;
        whole.post(&[orphan(version)], WELCOME, at(0));
        let before = whole.account.clone();
        prop_assume!(before.status == AccountStatus::Orphaned);
        let version = version.expect("a user was heard of");
        // An event of before is no sign of life; a deletion counts whenever it was.
        let (_, stale) = after(&whole, &user(version - 1, UserStatus::Active));
        prop_assert_eq!(stale.account.status, AccountStatus::Orphaned);
        let (_, gone) = after(&whole, &user(version - 1, UserStatus::Deleted));
        prop_assert_eq!(gone.account.status, AccountStatus::Closed);
        let (_, state) = after(&whole, &user(version + ahead, status));
        let expected = match status {
            UserStatus::Active => AccountStatus::Active,
            UserStatus::Deactivated => AccountStatus::Suspended,
            UserStatus::Deleted => AccountStatus::Closed,
        };
        prop_assert_eq!(state.account.status, expected);
        prop_assert_eq!(state.account.user_version, Some(version + ahead));
        prop_assert_eq!(
            (state.account.available, state.account.reserved, state.account.pending),
            (before.available, before.reserved, before.pending)
        );
    }
}
