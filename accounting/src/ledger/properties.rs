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

/// Hands in the database that take away what is to be booked, or add to it: whatever is asked
/// then is refused, and nothing is written.
#[test]
fn what_cannot_be_right_is_told_and_not_written() {
    let (allocation, usage, held) = (Uuid::from_u128(1), Uuid::from_u128(2), Uuid::from_u128(7));
    let with = |action| Command { action, ..order(1, None) };
    let spent = Action::Use(Use { usage_id: usage, cost: Cost::Credits(30), resource: None, metadata: None });
    let reserve = Action::Reserve(Reserve {
        reservation_id: held,
        cost: Cost::Credits(30),
        expires_in_s: 60,
        resource: None,
        metadata: None,
    });
    let mut sound = Whole::new();
    let Action::Allocate(mut ending) = order(100, None).action else { unreachable!("it allocates") };
    (ending.allocation_id, ending.expires_at) = (allocation, Some(at(90)));
    let posted =
        sound.post(&[with(Action::Allocate(ending)), with(spent), with(reserve)], Policies::DEFAULT, at(1));
    assert!(posted.iter().all(Result::is_ok), "{posted:?}");
    let refund = || with(Action::Refund { usage_id: usage, credits: None, reason: None });
    let release = || with(Action::Release { reservation_id: held });
    let of = |change: fn(&mut Whole)| {
        let mut broken = sound.clone();
        change(&mut broken);
        broken
    };
    let cases = [
        // Due at 61 and 90: the reservation comes back, the allocation ends.
        (of(|whole| whole.account.available = 5), with(Action::Settle), 100),
        (of(|whole| whole.account.reserved = 29), with(Action::Settle), 70),
        (of(|whole| whole.account.reserved = 29), release(), 2),
        (of(|whole| whole.allocations.values_mut().for_each(|one| one.reserved = 29)), release(), 2),
        (of(|whole| whole.allocations.values_mut().for_each(|one| one.remaining = 60)), refund(), 2),
        (of(|whole| whole.allocations.values_mut().for_each(|one| one.remaining = i64::MAX)), refund(), 2),
    ];
    for (mut broken, command, second) in cases {
        let (entries, account) = (broken.entries.clone(), broken.account.clone());
        let refused = broken.post(std::slice::from_ref(&command), Policies::DEFAULT, at(second));
        assert_eq!(refused, [Err(Rejection::BooksDisagree)], "{command:?}");
        assert_eq!((&broken.entries, &broken.account), (&entries, &account), "{command:?}");
    }
}

/// Very much that fell due while nobody looked is booked in steps, and ends up as if it had
/// been booked at once.
#[test]
fn what_is_due_is_booked_in_steps() {
    let with = |action| Command { action, ..order(1, None) };
    let mut at_once = Whole::new();
    for n in 0..9_u8 {
        let Action::Allocate(mut order) = order(100, None).action else { unreachable!("it allocates") };
        let second = i64::from(n);
        order.allocation_id = Uuid::from_u128(u128::from(n) + 1);
        match n % 3 {
            0 => order.expires_at = Some(at(100 + second * 10)),
            1 => order.effective_at = Some(at(103 + second * 10)),
            _ => {}
        }
        let reserve = Action::Reserve(Reserve {
            reservation_id: Uuid::from_u128(u128::from(n) + 100),
            cost: Cost::Credits(7),
            expires_in_s: 107 + second * 10,
            resource: None,
            metadata: None,
        });
        let posted = at_once.post(&[with(Action::Allocate(order)), with(reserve)], Policies::DEFAULT, at(0));
        assert!(posted.iter().all(Result::is_ok), "{posted:?}");
    }
    let mut in_steps = at_once.clone();
    assert_eq!(at_once.post(&[with(Action::Settle)], Policies::DEFAULT, at(500)), [Ok(Receipt::Settled)]);
    in_steps.most_due = 2;
    // Nothing else is done on it meanwhile, not even for a key of its own.
    let spend = Action::Use(Use {
        usage_id: Uuid::from_u128(1_000),
        cost: Cost::Credits(1),
        resource: None,
        metadata: None,
    });
    let posted = in_steps.post(&[with(spend)], Policies::DEFAULT, at(500));
    assert_eq!(posted, [Err(Rejection::AccountBusy)]);
    let mut steps = 1;
    while in_steps.post(&[with(Action::Settle)], Policies::DEFAULT, at(500)) != [Ok(Receipt::Settled)] {
        in_steps.check();
        steps += 1;
    }
    assert!((3..10).contains(&steps), "{steps} steps");
    in_steps.check();
    assert_eq!(in_steps.entries, at_once.entries);
    assert_eq!(in_steps.account, at_once.account);
}

/// Of an account with very many open allocations nothing is read for what is refused anyway.
#[test]
fn what_can_never_be_paid_needs_no_allocations() {
    let mut whole = Whole::new();
    whole.post(&[order(100, None)], Policies::DEFAULT, at(1));
    let state = AccountState::new(whole.account.clone());
    let spend = |credits| {
        let (cost, resource, metadata) = (Cost::Credits(credits), None, None);
        let action = Action::Use(Use { usage_id: Uuid::now_v7(), cost, resource, metadata });
        Command { action, ..order(1, None) }
    };
    let needed = |commands: &[Command]| state.spendable_needed(commands.iter()).credits;
    assert_eq!(needed(&[spend(100)]), 100);
    assert_eq!(needed(&[spend(101)]), 0);
    assert_eq!(needed(&[spend(101), spend(7)]), 7);
    // What comes first may pay for it.
    assert_eq!(needed(&[order(1, None), spend(101)]), 101);
}
