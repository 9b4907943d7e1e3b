//! Credits that move between accounts, from two processes' worth of stores too.

use std::sync::Arc;

use accrue_accounting::ledger::{
    AccountStatus, Action, Adjust, Allocate, Command, Correction, EntryKind, IdempotencyKey, MAX_MOVED,
    Policies, Receipt, Rejection, Reply, Transfer,
};
use accrue_accounting::store::LedgerStore;
use accrue_chassis::lifecycle::Lifecycle;
use accrue_events::user::UserStatus;
use futures_util::future::{join, join_all};
use serde_json::{Value, json};
use time::Duration;
use uuid::Uuid;

use crate::fixture::{
    Fixture, NOON, account, allocate, allocate_until, booked, check_books, entries, keyed, post, registered,
    snapshot, spend,
};
use crate::holding::reserve;

fn transfer(key: &str, (from, to): (&str, &str), credits: Option<i64>) -> Command {
    let (transfer_id, to, reason) = (Uuid::now_v7(), to.to_owned(), "mistyped".to_owned());
    keyed(from, key, credits.unwrap_or(0), Action::Transfer(Transfer { transfer_id, to, credits, reason }))
}

fn pending(user_id: &str, key: &str, credits: i64, minutes: i64) -> Command {
    let mut command = allocate(user_id, key, credits);
    if let Action::Allocate(order) = &mut command.action {
        order.effective_at = Some(NOON + Duration::minutes(minutes));
    }
    command
}

/// What can be spent, what is held and what is pending.
async fn balance(store: &Arc<dyn LedgerStore>, user_id: &str) -> (i64, i64, i64) {
    let account = account(store, user_id).await.account;
    (account.available, account.reserved, account.pending)
}

pub(crate) async fn all_that_is_not_held_moves(fixture: Fixture) {
    let (store, clock) = fixture.store_at_noon().await;
    post(&store, allocate_until("typo", "a", 30, NOON + Duration::minutes(30))).await.expect("room");
    post(&store, allocate("typo", "b", 50)).await.expect("room");
    post(&store, pending("typo", "c", 20, 60)).await.expect("room");
    post(&store, pending("typo", "d", 7, 90)).await.expect("room");
    let (order, _) = reserve("typo", "r", 10, 120);
    post(&store, order).await.expect("enough");
    clock.advance(Duration::minutes(1));
    let reply = booked(post(&store, transfer("t", ("typo", "meant"), None)).await);
    let body: Value = serde_json::from_slice(&reply.body).expect("JSON");
    assert_eq!((&body["transfer"]["credits"], &body["transfer"]["pending"]), (&json!(70), &json!(27)));
    assert_eq!(body["balance"], json!({"available": 0, "reserved": 10, "pending": 0}));
    assert_eq!(body["target"]["account_status"], "placeholder");
    assert_eq!((reply.resource.as_str(), reply.is_replay), ("entries/4", false));
    assert_eq!(balance(&store, "typo").await, (0, 10, 0));
    assert_eq!(balance(&store, "meant").await, (70, 0, 27));
    assert_eq!(account(&store, "meant").await.account.next_due_at, Some(NOON + Duration::minutes(30)));

    let (out, into) = (entries(&store, "typo").await.remove(3), entries(&store, "meant").await.remove(0));
    assert_eq!((out.kind, out.credits, out.draws.len()), (EntryKind::TransferOut, -70, 4));
    assert_eq!((into.kind, into.credits, into.draws.len()), (EntryKind::TransferIn, 70, 4));
    assert_eq!(out.reference, into.reference);
    let others = (out.counterparty.as_deref(), into.counterparty.as_deref());
    assert_eq!(others, (Some("meant"), Some("typo")));
    assert_eq!((out.reason.as_deref(), &into.reason), (Some("mistyped"), &out.reason));
    let ids: Vec<Uuid> = into.draws.iter().map(|draw| draw.allocation_id).collect();
    let newest = store.allocations("meant", None, 9).await.expect("readable");
    assert_eq!(newest.iter().rev().map(|one| one.allocation.id).collect::<Vec<_>>(), ids);
    let first = &newest[3].allocation;
    assert_eq!((first.credits, first.expires_at), (20, Some(NOON + Duration::minutes(30))));
    let origin = &first.metadata.as_ref().expect("some")["transferred_from"];
    assert_eq!((&origin["user_id"], &origin["transfer_id"]), (&json!("typo"), &json!(out.reference)));

    // They end and begin as they would have.
    clock.advance(Duration::minutes(59));
    assert_eq!(balance(&store, "meant").await, (70, 0, 7));
    for user_id in ["typo", "meant"] {
        post(&store, Command::settle(user_id.to_owned())).await.expect("settled");
        check_books(&store, user_id).await;
    }
    let refused = post(&store, transfer("u", ("typo", "meant"), None)).await;
    assert_eq!(refused, Err(Rejection::NothingToTransfer { reserved: 10 }));
    assert!(booked(post(&store, transfer("t", ("typo", "meant"), None)).await).is_replay);
    assert_eq!(post(&store, transfer("t", ("typo", "meant"), Some(1))).await, Err(Rejection::KeyReused));
}

pub(crate) async fn what_is_refused_moves_nothing(fixture: Fixture) {
    let store = fixture.store().await;
    let empty = Rejection::InsufficientCredits { available: 0, required: 1 };
    assert_eq!(post(&store, transfer("t", ("nobody", "u2"), Some(1))).await, Err(empty));
    let refused = post(&store, transfer("t", ("nobody", "u2"), None)).await;
    assert_eq!(refused, Err(Rejection::NothingToTransfer { reserved: 0 }));
    for user_id in ["nobody", "u2"] {
        assert_eq!(store.account(user_id).await.expect("readable"), None, "{user_id}");
    }
    post(&store, allocate("u1", "a", 10)).await.expect("room");
    for (version, status) in [(1, UserStatus::Active), (2, UserStatus::Deleted)] {
        post(&store, Command::apply_user(snapshot("gone", version, status), Uuid::now_v7()))
            .await
            .expect("applied");
    }
    assert_eq!(post(&store, transfer("t", ("u1", "gone"), None)).await, Err(Rejection::AccountClosed));
    assert_eq!(post(&store, transfer("t", ("u1", "u1"), None)).await, Err(Rejection::SameAccount));
    post(&store, allocate("full", "a", (1 << 53) - 5)).await.expect("room");
    assert_eq!(post(&store, transfer("t", ("u1", "full"), Some(5))).await, Err(Rejection::BalanceLimit));
    assert_eq!(balance(&store, "u1").await, (10, 0, 0));
    assert_eq!(entries(&store, "u1").await.len(), 1);

    // Closed and suspended accounts give, and the key that was refused is free.
    post(&store, registered("u1", 1)).await.expect("applied");
    let suspended = Command::apply_user(snapshot("u1", 2, UserStatus::Deactivated), Uuid::now_v7());
    post(&store, suspended).await.expect("applied");
    post(&store, transfer("t", ("u1", "u2"), Some(4))).await.expect("it may");
    let closed = Command::apply_user(snapshot("u1", 3, UserStatus::Deleted), Uuid::now_v7());
    post(&store, closed).await.expect("applied");
    post(&store, transfer("v", ("u1", "u2"), None)).await.expect("it may");
    assert_eq!(account(&store, "u1").await.account.status, AccountStatus::Closed);
    assert_eq!(balance(&store, "u2").await, (10, 0, 0));
    check_books(&store, "u1").await;
    check_books(&store, "u2").await;
}

pub(crate) async fn a_batch_moves_and_spends_in_order(fixture: Fixture) {
    let store = fixture.store().await;
    let batch = [
        transfer("t0", ("u1", "u2"), None),
        allocate("u1", "a", 30),
        transfer("t1", ("u1", "u2"), Some(20)),
        spend("u2", "s1", 15),
        transfer("t2", ("u2", "u3"), None),
        spend("u3", "s2", 5),
        transfer("t3", ("u1", "u3"), None),
        spend("u2", "s3", 1),
    ];
    let posted = store.post(&batch, Policies::DEFAULT).await.expect("posted");
    let refused: Vec<_> = posted.iter().map(|one| one.as_ref().err().cloned()).collect();
    let nothing = Rejection::NothingToTransfer { reserved: 0 };
    let empty = Rejection::InsufficientCredits { available: 0, required: 1 };
    assert_eq!(refused, [Some(nothing), None, None, None, None, None, None, Some(empty)]);
    for (user_id, available) in [("u1", 0), ("u2", 0), ("u3", 10)] {
        assert_eq!(balance(&store, user_id).await, (available, 0, 0), "{user_id}");
        check_books(&store, user_id).await;
    }

    // What came in within the batch is drawn on after what burns before it.
    let mut first = allocate("u4", "first", 10);
    let Action::Allocate(order) = &mut first.action else { panic!("an allocation") };
    order.priority = 0;
    let first_id = order.allocation_id;
    post(&store, first).await.expect("room");
    post(&store, allocate("u1", "more", 30)).await.expect("room");
    let (change, reason) = (Correction::SetAvailable(20), "counted".to_owned());
    let correction = Action::Adjust(Adjust { adjustment_id: Uuid::now_v7(), change, reason });
    let batch = [transfer("t4", ("u1", "u4"), None), keyed("u4", "j", 0, correction)];
    let posted = store.post(&batch, Policies::DEFAULT).await.expect("posted");
    assert!(posted.iter().all(Result::is_ok), "{posted:?}");
    let first = store.allocation("u4", first_id).await.expect("readable").expect("there").allocation;
    assert_eq!((first.remaining, balance(&store, "u4").await), (0, (20, 0, 0)));
    check_books(&store, "u4").await;
}

pub(crate) async fn many_small_allocations_move_in_parts(fixture: Fixture) {
    let store = fixture.store().await;
    for part in 0..5 {
        let order = |i: i64| {
            let mut command = allocate("u1", &format!("a{part}-{i}"), 2);
            if let Action::Allocate(Allocate { priority, .. }) = &mut command.action {
                *priority = i16::try_from(i % 3).expect("small");
            }
            command
        };
        let orders: Vec<Command> = (0..250).map(order).collect();
        store.post(&orders, Policies::DEFAULT).await.expect("posted");
    }
    let refused = post(&store, transfer("t", ("u1", "u2"), None)).await;
    assert_eq!(refused, Err(Rejection::TransferTooLarge { movable: 2_000 }));
    post(&store, transfer("t", ("u1", "u2"), Some(2_000))).await.expect("as many as it takes");
    assert_eq!(entries(&store, "u2").await[0].draws.len(), MAX_MOVED);
    post(&store, transfer("u", ("u1", "u2"), None)).await.expect("the rest");
    assert_eq!((balance(&store, "u1").await.0, balance(&store, "u2").await.0), (0, 2_500));
    check_books(&store, "u1").await;
    check_books(&store, "u2").await;
}

pub(crate) async fn too_many_pending_allocations_are_told(fixture: Fixture) {
    let (store, clock) = fixture.store_at_noon().await;
    let orders: Vec<Command> = (0..=MAX_MOVED).map(|i| pending("u1", &format!("p{i}"), 2, 60)).collect();
    let Action::Allocate(Allocate { allocation_id, .. }) = orders[7].action else { panic!("an allocation") };
    for some in orders.chunks(250) {
        store.post(some, Policies::DEFAULT).await.expect("posted");
    }
    post(&store, allocate("u1", "a", 5)).await.expect("room");
    let refused = post(&store, transfer("t", ("u1", "u2"), None)).await;
    assert_eq!(refused, Err(Rejection::TransferTooLarge { movable: 5 }));
    post(&store, transfer("s", ("u1", "u2"), Some(5))).await.expect("available");
    let refused = post(&store, transfer("t", ("u1", "u2"), None)).await;
    assert_eq!(refused, Err(Rejection::TransferTooLarge { movable: 0 }));
    let void = Action::Void { allocation_id, reason: None };
    let batch = [keyed("u1", "v", 0, void), transfer("t", ("u1", "u2"), None)];
    let posted = store.post(&batch, Policies::DEFAULT).await.expect("posted");
    assert!(posted.iter().all(Result::is_ok), "{posted:?}");
    assert_eq!((balance(&store, "u1").await, balance(&store, "u2").await), ((0, 0, 0), (5, 0, 2_000)));
    clock.advance(Duration::minutes(60));
    assert_eq!(balance(&store, "u2").await, (2_005, 0, 0));
    for user_id in ["u1", "u2"] {
        post(&store, Command::settle(user_id.to_owned())).await.expect("settled");
        check_books(&store, user_id).await;
    }
}

/// More than one transfer moves have begun and ended while nobody looked: they do not hide
/// those whose time has not come.
pub(crate) async fn what_fell_due_hides_nothing_pending(fixture: Fixture) {
    let (store, clock) = fixture.store_at_noon().await;
    let due = (0..MAX_MOVED + 10).map(|i| {
        let mut command = pending("u1", &format!("p{i}"), 2, 60);
        let Action::Allocate(order) = &mut command.action else { panic!("an allocation") };
        order.expires_at = Some(NOON + Duration::minutes(90));
        command
    });
    let later = (0..3).map(|i| pending("u1", &format!("l{i}"), 7, 600));
    for some in due.chain(later).collect::<Vec<_>>().chunks(250) {
        store.post(some, Policies::DEFAULT).await.expect("posted");
    }
    clock.advance(Duration::minutes(120));
    post(&store, transfer("t", ("u1", "u2"), None)).await.expect("three are pending");
    assert_eq!((balance(&store, "u1").await, balance(&store, "u2").await), ((0, 0, 0), (0, 0, 21)));
    check_books(&store, "u1").await;
}

pub(crate) async fn one_transfer_sent_fifty_times_applies_once(fixture: Fixture) {
    let stores = [fixture.store().await, fixture.store().await];
    post(&stores[0], allocate("u1", "a", 100)).await.expect("room");
    let sent = (0..50).map(|i| post(&stores[i % 2], transfer("same", ("u1", "u2"), Some(10))));
    let replies: Vec<Reply> = join_all(sent).await.into_iter().map(booked).collect();
    assert!(replies.iter().all(|reply| reply.body == replies[0].body), "replies differ");
    assert_eq!(replies.iter().filter(|reply| !reply.is_replay).count(), 1);
    assert_eq!((balance(&stores[0], "u1").await.0, balance(&stores[1], "u2").await.0), (90, 10));
    check_books(&stores[1], "u1").await;
    check_books(&stores[0], "u2").await;
}

pub(crate) async fn opposite_transfers_at_once_both_pass(fixture: Fixture) {
    let stores = [fixture.store().await, fixture.store().await];
    for user_id in ["u1", "u2"] {
        post(&stores[0], allocate(user_id, "a", 1_000)).await.expect("room");
    }
    for round in 0..25 {
        let key = format!("k{round}");
        let (there, back) = join(
            post(&stores[0], transfer(&key, ("u1", "u2"), Some(30))),
            post(&stores[1], transfer(&key, ("u2", "u1"), Some(20))),
        )
        .await;
        booked(there);
        booked(back);
    }
    assert_eq!((balance(&stores[0], "u1").await.0, balance(&stores[1], "u2").await.0), (750, 1_250));
    check_books(&stores[1], "u1").await;
    check_books(&stores[0], "u2").await;
}

pub(crate) async fn transfers_in_a_ring_lose_nothing(fixture: Fixture) {
    const USERS: usize = 6;
    const ROUNDS: usize = 25;
    let stores = [fixture.store().await, fixture.store().await];
    for user in 0..USERS {
        post(&stores[0], allocate(&format!("u{user}"), "a", 50)).await.expect("room");
    }
    // Batches that name many accounts in orders of their own, some of which only one makes.
    let hammer = |store: Arc<dyn LedgerStore>, worker: usize| async move {
        for round in 0..ROUNDS {
            let commands: Vec<Command> = (0..USERS)
                .map(|i| {
                    let (from, to) =
                        ((i * (worker + 1) + round) % USERS, (i + worker + 2 * round) % (USERS + 3));
                    let (from, to) = (format!("u{from}"), format!("u{to}"));
                    let credits = (i % 3 != 0).then_some(7);
                    transfer(&format!("{worker}-{round}-{i}"), (&from, &to), credits)
                })
                .collect();
            let posted = store.post(&commands, Policies::DEFAULT).await.expect("no deadlock, no time-out");
            let is_expected = |one: &Result<Receipt, Rejection>| match one {
                Ok(Receipt::Booked(reply)) => !reply.is_replay,
                Ok(_) => false,
                Err(Rejection::InsufficientCredits { .. } | Rejection::NothingToTransfer { .. }) => true,
                Err(rejection) => *rejection == Rejection::SameAccount,
            };
            assert!(posted.iter().all(is_expected), "{posted:?}");
        }
    };
    let tasks = Lifecycle::new();
    let workers = (0..4).map(|worker| tasks.spawn_worker(hammer(Arc::clone(&stores[worker % 2]), worker)));
    for ended in join_all(workers).await {
        ended.expect("a worker ends");
    }
    let mut sum = 0;
    for user in 0..USERS + 3 {
        let user_id = format!("u{user}");
        if stores[0].account(&user_id).await.expect("readable").is_some() {
            check_books(&stores[0], &user_id).await;
            sum += balance(&stores[1], &user_id).await.0;
        }
    }
    assert_eq!(sum, 300);
}

pub(crate) async fn the_key_of_a_batch_is_taken_once(fixture: Fixture) {
    let stores = [fixture.store().await, fixture.store().await];
    let key = |number: i64| keyed("u1", "batch", number, Action::Settle).idempotency.expect("a key");
    for round in 0..10 {
        let mut one = key(1);
        one.key = format!("batch-{round}");
        let mut other = key(2);
        other.key.clone_from(&one.key);
        let (first, second) = join(stores[0].claim_batch_key(&one), stores[1].claim_batch_key(&other)).await;
        let (first, second) = (first.expect("an answer"), second.expect("an answer"));
        assert_ne!(first, second, "round {round}");
        let (mine, theirs) = if first { (&one, &other) } else { (&other, &one) };
        assert!(stores[1].claim_batch_key(mine).await.expect("an answer"));
        assert!(!stores[0].claim_batch_key(theirs).await.expect("an answer"));
        let somebody = IdempotencyKey { client: "somebody else".to_owned(), ..theirs.clone() };
        assert!(stores[0].claim_batch_key(&somebody).await.expect("an answer"));
    }
}
