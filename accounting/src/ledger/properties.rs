//! What holds for every sequence of commands and every order of events.

use accrue_events::user::{UserSnapshot, UserStatus};
use proptest::prelude::*;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::rig::Whole;
use super::*;

pub(super) const WELCOME: Policies =
    Policies { welcome: WelcomePolicy { credits: 25, needs_verified_email: false }, ..Policies::DEFAULT };

pub(super) fn at(second: i64) -> OffsetDateTime {
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

pub(super) fn order(credits: i64, expires_at: Option<OffsetDateTime>) -> Command {
    let action = Action::Allocate(Allocate {
        allocation_id: Uuid::now_v7(),
        credits,
        priority: DEFAULT_PRIORITY,
        effective_at: None,
        expires_at,
        reason: None,
        metadata: None,
    });
    Command { user_id: "u".to_owned(), actor: "test".to_owned(), idempotency: None, action }
}

/// The same order with a key; its fingerprint is that of its credits.
fn keyed(key: u8, credits: i64) -> Command {
    let mut fingerprint = [0; 32];
    fingerprint[..8].copy_from_slice(&credits.to_be_bytes());
    let idempotency = Some(IdempotencyKey { client: "c".to_owned(), key: format!("k{key}"), fingerprint });
    Command { idempotency, ..order(credits, None) }
}

pub(super) fn user(version: i64, status: UserStatus) -> Command {
    Command::apply_user(snapshot(version, status), Uuid::now_v7())
}

pub(super) fn orphan(user_version: Option<i64>) -> Command {
    Command { action: Action::Orphan { user_version }, ..order(1, None) }
}

pub(super) fn any_status() -> impl Strategy<Value = UserStatus> {
    prop_oneof![8 => Just(UserStatus::Active), 3 => Just(UserStatus::Deactivated), 1 => Just(UserStatus::Deleted)]
}

pub(super) fn any_command() -> impl Strategy<Value = Command> {
    let amounts =
        prop_oneof![6 => 1..1_000_i64, 1 => -5..=0_i64, 1 => CREDITS_LIMIT - 500..CREDITS_LIMIT + 5];
    prop_oneof![
        3 => (amounts, proptest::option::of(0..200_i64)).prop_map(|(credits, end)| order(credits, end.map(at))),
        2 => (0..6_u8, 1..4_i64).prop_map(|(key, credits)| keyed(key, credits)),
        1 => (0..10_i64, any_status()).prop_map(|(version, status)| user(version, status)),
        1 => proptest::option::of(0..10_i64).prop_map(orphan),
    ]
}

proptest! {
    #[test]
    fn any_batches_at_any_times_keep_the_books(
        batches in prop::collection::vec((prop::collection::vec(any_command(), 1..5), 0..200_i64), 0..30)
    ) {
        let mut whole = Whole::new();
        for (batch, second) in batches {
            let mut state = whole.load(&batch, at(second));
            for command in batch {
                let before = state.clone();
                let result = state.decide(&command, WELCOME, at(second));
                if result.is_err() {
                    prop_assert_eq!(&state.new_keys, &before.new_keys);
                    let booked = &state.entries[before.entries.len()..];
                    prop_assert!(booked.iter().all(|entry| entry.kind == EntryKind::Expiry));
                    prop_assert_eq!(state.account.status, before.account.status);
                }
            }
            whole.save(state);
            whole.check();
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
        let has_tombstone = events.iter().any(|(_, status)| *status == UserStatus::Deleted);
        // Whether a user who is deleted was welcomed before hangs on the order.
        for policy in if has_tombstone { vec![Policies::DEFAULT] } else { vec![Policies::DEFAULT, WELCOME] } {
            let end = |order: &[(i64, UserStatus)]| {
                let mut state = AccountState::new(Account::placeholder("u"));
                for (version, status) in order {
                    state.decide(&user(*version, *status), policy, at(1)).expect("events are never rejected");
                }
                state.account
            };
            let (one, other) = (end(&events), end(&shuffled));
            let expected = if has_tombstone { AccountStatus::Closed } else { one.status };
            prop_assert_eq!((one.status, other.status), (expected, expected));
            // The entry of the welcome credits names a fresh id, or there is none.
            let unchained = |account| Account { chain_head: None, ..account };
            prop_assert_eq!(unchained(one), unchained(other));
        }
    }
}

fn booked(receipt: Result<Receipt, Rejection>) -> (serde_json::Value, Reply) {
    match receipt.expect("not rejected") {
        Receipt::Booked(reply) => (serde_json::from_slice(&reply.body).expect("a JSON reply"), reply),
        other => panic!("nothing was booked: {other:?}"),
    }
}

#[test]
fn a_placeholder_becomes_active_with_its_credits() {
    let mut state = AccountState::new(Account::placeholder("u"));
    let (body, reply) = booked(state.decide(&order(100, None), Policies::DEFAULT, at(1)));
    assert_eq!(
        (&body["balance"]["available"], &body["account_status"]),
        (&100.into(), &"placeholder".into())
    );
    assert_eq!(reply.resource, format!("allocations/{}", body["allocation"]["id"].as_str().unwrap()));
    state.decide(&user(7, UserStatus::Active), Policies::DEFAULT, at(2)).expect("applied");
    assert_eq!((state.account.status, state.account.available), (AccountStatus::Active, 100));
    assert_eq!(state.account.email.as_deref(), Some("mail7"));
}

#[test]
fn expired_credits_are_booked_out_before_anything_else() {
    let mut state = AccountState::new(Account::placeholder("u"));
    state.decide(&order(40, Some(at(10))), Policies::DEFAULT, at(1)).expect("room");
    let (body, _) = booked(state.decide(&order(60, None), Policies::DEFAULT, at(10)));
    assert_eq!(body["balance"]["available"], 60);
    assert_eq!(state.entries[1].kind, EntryKind::Expiry);
}

#[test]
fn a_key_applies_once_and_answers_alike() {
    let mut state = AccountState::new(Account::placeholder("u"));
    let (_, first) = booked(state.decide(&keyed(1, 5), Policies::DEFAULT, at(1)));
    state.decide(&order(10, None), Policies::DEFAULT, at(2)).expect("room");
    let (_, again) = booked(state.decide(&keyed(1, 5), Policies::DEFAULT, at(3)));
    assert_eq!((&again.body, &again.resource), (&first.body, &first.resource));
    assert!(again.is_replay && !first.is_replay);
    assert_eq!(state.decide(&keyed(1, 6), Policies::DEFAULT, at(3)), Err(Rejection::KeyReused));
    let late = at(1) + Duration::days(REPLY_KEPT_DAYS);
    let gone = Rejection::ReplyGone { resource: first.resource };
    assert_eq!(state.decide(&keyed(1, 5), Policies::DEFAULT, late), Err(gone));
    assert_eq!(state.account.available, 15);
}

#[test]
fn an_end_that_has_passed_is_refused() {
    let mut state = AccountState::new(Account::placeholder("u"));
    let refused = state.decide(&order(5, Some(at(10))), Policies::DEFAULT, at(10));
    assert_eq!(refused, Err(Rejection::EndHasPassed));
    assert!(state.decide(&order(5, Some(at(11))), Policies::DEFAULT, at(10)).is_ok());
}

#[test]
fn a_rejection_leaves_its_key_free() {
    let mut state = AccountState::new(Account::placeholder("u"));
    let rejected = state.decide(&keyed(1, 0), Policies::DEFAULT, at(1));
    assert_eq!(rejected, Err(Rejection::CreditsOutOfRange));
    booked(state.decide(&keyed(1, 7), Policies::DEFAULT, at(1)));
    assert_eq!(state.account.available, 7);
}

#[test]
fn an_account_whose_books_disagree_is_left_alone() {
    let mut whole = Whole::new();
    let reserve = Action::Reserve(Reserve {
        reservation_id: Uuid::from_u128(7),
        cost: Cost::Credits(30),
        expires_in_s: 60,
        resource: None,
        metadata: None,
    });
    let spend = |credits| {
        let (cost, resource, metadata) = (Cost::Credits(credits), None, None);
        Action::Use(Use { usage_id: Uuid::now_v7(), cost, resource, metadata })
    };
    let with = |action| Command { action, ..order(1, None) };
    whole.post(&[order(100, None), with(reserve)], Policies::DEFAULT, at(1));
    // A hand in the database: more is said to be available than the allocations have.
    whole.account.available += 5;
    let before = whole.entries.clone();
    let refused = whole.post(&[with(spend(75))], Policies::DEFAULT, at(2));
    assert_eq!(refused, [Err(Rejection::BooksDisagree)]);
    // And another: what the reservation draws on is gone. Nothing is booked from when it is due.
    whole.allocations.clear();
    for action in [Action::Settle, spend(1), Action::Release { reservation_id: Uuid::from_u128(7) }] {
        let refused = whole.post(&[with(action)], Policies::DEFAULT, at(100));
        assert_eq!(refused, [Err(Rejection::BooksDisagree)]);
    }
    assert_eq!(whole.entries, before);
}
