//! Two processes' worth of stores on one database, at the same time.

use std::sync::Arc;

use accrue_accounting::ledger::{AccountStatus, Command, Policies, Receipt, Rejection, Reply};
use accrue_accounting::store::LedgerStore;
use accrue_chassis::lifecycle::Lifecycle;
use futures_util::future::{join, join_all};

use crate::fixture::{Fixture, account, allocate, booked, check_books, post, registered};

pub(crate) async fn first_allocations_of_two_processes_add_up(fixture: Fixture) {
    let (one, other) = (fixture.store().await, fixture.store().await);
    for round in 0..25 {
        let user_id = format!("u{round}");
        let both =
            join(post(&one, allocate(&user_id, "forty", 40)), post(&other, allocate(&user_id, "sixty", 60)));
        let (forty, sixty) = both.await;
        booked(forty);
        booked(sixty);
        assert_eq!(account(&one, &user_id).await.account.available, 100, "{user_id}");
        check_books(&other, &user_id).await;
        // The same on an account that is there already.
        let (a, b) =
            join(post(&one, allocate(&user_id, "a", 1)), post(&other, allocate(&user_id, "b", 2))).await;
        booked(a);
        booked(b);
        assert_eq!(account(&other, &user_id).await.account.available, 103, "{user_id}");
    }
}

pub(crate) async fn one_key_through_two_processes_applies_once(fixture: Fixture) {
    let stores = [fixture.store().await, fixture.store().await];
    for round in 0..10 {
        let user_id = format!("u{round}");
        let replies = join_all((0..8).map(|i| post(&stores[i % 2], allocate(&user_id, "same", 10)))).await;
        let replies: Vec<Reply> = replies.into_iter().map(booked).collect();
        assert!(replies.iter().all(|reply| reply.body == replies[0].body), "{user_id}: replies differ");
        assert_eq!(replies.iter().filter(|reply| !reply.is_replay).count(), 1, "{user_id}");
        assert_eq!(account(&stores[0], &user_id).await.account.available, 10, "{user_id}");
        check_books(&stores[1], &user_id).await;
    }
}

pub(crate) async fn hammering_keeps_the_books(fixture: Fixture) {
    const USERS: usize = 7;
    const ROUNDS: usize = 30;
    let stores = [fixture.store().await, fixture.store().await];
    // Each batch names several users, in an order of its own: those that would
    // deadlock if they were locked in it.
    let hammer = |store: Arc<dyn LedgerStore>, worker: usize| async move {
        for round in 0..ROUNDS {
            let commands: Vec<Command> = (0..USERS)
                .map(|i| {
                    let user = (i * (worker + 1) + round) % USERS;
                    allocate(&format!("u{user}"), &format!("{worker}-{round}-{i}"), 1)
                })
                .collect();
            let posted = store.post(&commands, Policies::DEFAULT).await.expect("no deadlock, no time-out");
            assert!(posted.iter().all(|one| matches!(one, Ok(Receipt::Booked(reply)) if !reply.is_replay)));
        }
    };
    let tasks = Lifecycle::new();
    let workers = (0..4).map(|worker| tasks.spawn_worker(hammer(Arc::clone(&stores[worker % 2]), worker)));
    for ended in join_all(workers).await {
        ended.expect("a worker ends");
    }
    let mut sum = 0;
    for user in 0..USERS {
        let user_id = format!("u{user}");
        check_books(&stores[0], &user_id).await;
        sum += account(&stores[0], &user_id).await.account.available;
    }
    assert_eq!(sum, i64::try_from(4 * ROUNDS * USERS).expect("small"));
}

pub(crate) async fn events_and_credits_in_any_order(fixture: Fixture) {
    let stores = [fixture.store().await, fixture.store().await];
    let commands = |user: usize| {
        let user_id = format!("u{user}");
        let mut commands: Vec<Command> = [3, 1, 2, 3, 1].map(|version| registered(&user_id, version)).into();
        commands.insert(user % 6, allocate(&user_id, "k", 100));
        commands.insert(user % 5, allocate(&user_id, "k", 100));
        commands
    };
    let posts = (0..20).flat_map(commands).enumerate().map(|(i, command)| {
        let store = Arc::clone(&stores[i % 2]);
        async move { post(&store, command).await }
    });
    let results: Vec<Result<Receipt, Rejection>> = join_all(posts).await;
    assert!(results.iter().all(Result::is_ok));
    for user in 0..20 {
        let state = account(&stores[0], &format!("u{user}")).await.account;
        assert_eq!((state.status, state.available), (AccountStatus::Active, 100), "u{user}");
        assert_eq!(state.email.as_deref(), Some("mail-3"), "u{user}");
    }
}
