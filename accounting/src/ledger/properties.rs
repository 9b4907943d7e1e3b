//! What holds for every sequence of commands and every order of events.

use accrue_events::user::{UserSnapshot, UserStatus};
use proptest::prelude::*;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::*;

const WELCOME: WelcomePolicy = WelcomePolicy { credits: 25, needs_verified_email: false };

fn at(second: i64) -> OffsetDateTime {
    OffsetDateTime::UNIX_EPOCH + Duration::seconds(second)
}

fn snapshot(version: i64, status: UserStatus) -> UserSnapshot {
    let text = |word: &str| (status != UserStatus::Deleted).then(|| format!("{word}{version}"));
    UserSnapshot {
        user_id: "u".to_owned(),
        version,
        status,
        email: text("mail"),
        email_verified: false,
        username: None,
        display_name: text("name"),
        registered_at: at(0),
    }
}

fn order(credits: i64, expires_at: Option<OffsetDateTime>) -> Command {
    Command::Allocate(Allocate {
        allocation_id: Uuid::now_v7(),
        credits,
        expires_at,
        reason: None,
        actor: "test".to_owned(),
    })
}

fn user(version: i64, status: UserStatus) -> Command {
    Command::ApplyUser { user: Box::new(snapshot(version, status)), welcome_id: Uuid::now_v7() }
}

fn any_status() -> impl Strategy<Value = UserStatus> {
    prop_oneof![8 => Just(UserStatus::Active), 3 => Just(UserStatus::Deactivated), 1 => Just(UserStatus::Deleted)]
}

fn any_command() -> impl Strategy<Value = Command> {
    let amounts =
        prop_oneof![6 => 1..1_000_i64, 1 => -5..=0_i64, 1 => CREDITS_LIMIT - 500..CREDITS_LIMIT + 5];
    prop_oneof![
        3 => (amounts, proptest::option::of(0..200_i64)).prop_map(|(credits, end)| order(credits, end.map(at))),
        1 => (0..10_i64, any_status()).prop_map(|(version, status)| user(version, status)),
    ]
}

fn check(state: &AccountState) {
    let account = &state.account;
    assert!(account.available >= 0 && account.available < CREDITS_LIMIT);
    assert_eq!(
        account.available + account.reserved,
        state.entries.iter().map(|entry| entry.credits).sum::<i64>()
    );
    assert_eq!(
        account.available,
        state.allocations.iter().map(|allocation| allocation.remaining).sum::<i64>()
    );
    let mut balance = 0;
    for (index, entry) in state.entries.iter().enumerate() {
        balance += entry.credits;
        assert_eq!((entry.seq, entry.balance_after), (i64::try_from(index).unwrap() + 1, balance));
    }
    assert!(state.entries.is_sorted_by_key(|entry| entry.recorded_at));
}

proptest! {
    #[test]
    fn any_commands_at_any_times_keep_the_books(commands in prop::collection::vec((any_command(), 0..200_i64), 0..60)) {
        let mut state = AccountState::new(Account::placeholder("u"));
        for (command, second) in commands {
            let before = state.clone();
            let result = state.decide(&command, WELCOME, at(second));
            check(&state);
            if result.is_err() {
                prop_assert!(state.entries[before.entries.len()..].iter().all(|e| e.kind == EntryKind::Expiry));
                prop_assert_eq!(state.account.status, before.account.status);
            }
        }
    }

    #[test]
    fn any_order_of_user_events_ends_in_the_same_account(
        (events, shuffled) in prop::collection::btree_map(0..50_i64, any_status(), 1..8).prop_flat_map(|events| {
            let events: Vec<(i64, UserStatus)> = events.into_iter().collect();
            // Each event twice, in any order.
            let doubled: Vec<_> = events.iter().chain(&events).copied().collect();
            (Just(events), Just(doubled).prop_shuffle())
        })
    ) {
        let off = WelcomePolicy { credits: 0, needs_verified_email: false };
        let has_tombstone = events.iter().any(|(_, status)| *status == UserStatus::Deleted);
        for policy in if has_tombstone { vec![off] } else { vec![off, WELCOME] } {
            let end = |order: &[(i64, UserStatus)]| {
                let mut state = AccountState::new(Account::placeholder("u"));
                for (version, status) in order {
                    state.decide(&user(*version, *status), policy, at(1)).expect("events are never rejected");
                }
                state.account
            };
            let (one, other) = (end(&events), end(&shuffled));
            if has_tombstone {
                // Which tombstone came first decides the version; closed is closed.
                prop_assert_eq!((one.status, &one.email), (AccountStatus::Closed, &None));
                prop_assert_eq!((other.status, &other.email), (AccountStatus::Closed, &None));
            } else {
                prop_assert_eq!(one, other);
            }
        }
    }
}

#[test]
fn a_placeholder_becomes_active_with_its_credits() {
    let mut state = AccountState::new(Account::placeholder("u"));
    let off = WelcomePolicy { credits: 0, needs_verified_email: false };
    let receipt = state.decide(&order(100, None), off, at(1)).expect("room");
    assert_eq!(receipt, Receipt::Allocated { available: 100, status: AccountStatus::Placeholder });
    state.decide(&user(7, UserStatus::Active), off, at(2)).expect("applied");
    assert_eq!((state.account.status, state.account.available), (AccountStatus::Active, 100));
    assert_eq!(state.account.email.as_deref(), Some("mail7"));
}

#[test]
fn expired_credits_are_booked_out_before_anything_else() {
    let mut state = AccountState::new(Account::placeholder("u"));
    let off = WelcomePolicy { credits: 0, needs_verified_email: false };
    state.decide(&order(40, Some(at(10))), off, at(1)).expect("room");
    let receipt = state.decide(&order(60, None), off, at(10)).expect("room");
    assert_eq!(receipt, Receipt::Allocated { available: 60, status: AccountStatus::Placeholder });
    assert_eq!(state.entries[1].kind, EntryKind::Expiry);
}
