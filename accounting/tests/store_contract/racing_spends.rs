//! Spending from two processes' worth of stores at the same time.

use accrue_accounting::ledger::{Action, Adjust, Correction, Receipt, Rejection, Reply};
use futures_util::future::{join, join_all};
use uuid::Uuid;

use crate::fixture::{Fixture, account, allocate, booked, check_books, keyed, post, spend};
use crate::holding::{capture, reserve};

pub(crate) async fn of_fifty_spends_ten_succeed(fixture: Fixture) {
    let stores = [fixture.store().await, fixture.store().await];
    for round in 0..5 {
        let user_id = format!("u{round}");
        for part in 0..10 {
            post(&stores[0], allocate(&user_id, &format!("a{part}"), 10)).await.expect("room");
        }
        let spends = (0..50).map(|i| post(&stores[i % 2], spend(&user_id, &format!("s{i}"), 10)));
        let results = join_all(spends).await;
        let is_refused = |one: &&Result<Receipt, Rejection>| {
            **one == Err(Rejection::InsufficientCredits { available: 0, required: 10 })
        };
        assert_eq!(results.iter().filter(|one| one.is_ok()).count(), 10, "{user_id}");
        assert_eq!(results.iter().filter(is_refused).count(), 40, "{user_id}");
        assert_eq!(account(&stores[1], &user_id).await.account.available, 0);
        assert_eq!(stores[1].usages(&user_id, None, 100).await.expect("readable").len(), 10);
        check_books(&stores[0], &user_id).await;
    }
}

pub(crate) async fn one_spend_sent_fifty_times_applies_once(fixture: Fixture) {
    let stores = [fixture.store().await, fixture.store().await];
    post(&stores[0], allocate("u1", "a", 100)).await.expect("room");
    let replies = join_all((0..50).map(|i| post(&stores[i % 2], spend("u1", "same", 10)))).await;
    let replies: Vec<Reply> = replies.into_iter().map(booked).collect();
    assert!(replies.iter().all(|reply| reply.body == replies[0].body), "replies differ");
    assert_eq!(replies.iter().filter(|reply| !reply.is_replay).count(), 1);
    assert_eq!(account(&stores[0], "u1").await.account.available, 90);
    check_books(&stores[1], "u1").await;
}

pub(crate) async fn of_captures_at_once_one_wins(fixture: Fixture) {
    let stores = [fixture.store().await, fixture.store().await];
    post(&stores[0], allocate("u1", "a", 1_000)).await.expect("room");
    for round in 0..10 {
        let (order, id) = reserve("u1", &format!("r{round}"), 20, 60);
        post(&stores[0], order).await.expect("enough");
        let both = join(
            post(&stores[0], capture("u1", &format!("c{round}"), id, Some(15))),
            post(&stores[1], capture("u1", &format!("d{round}"), id, Some(5))),
        )
        .await;
        assert_eq!([&both.0, &both.1].into_iter().filter(|one| one.is_ok()).count(), 1, "{both:?}");
    }
    assert_eq!(account(&stores[0], "u1").await.account.reserved, 0);
    check_books(&stores[1], "u1").await;
}

pub(crate) async fn corrections_at_once_both_count(fixture: Fixture) {
    let stores = [fixture.store().await, fixture.store().await];
    post(&stores[0], allocate("u1", "a", 100)).await.expect("room");
    let correct = |store: usize, key: &str, change| {
        let order = Adjust { adjustment_id: Uuid::now_v7(), change, reason: "counted".to_owned() };
        let command = keyed("u1", key, 0, Action::Adjust(order));
        let store = &stores[store];
        async move { post(store, command).await }
    };
    for round in 0..10 {
        let set = correct(0, &format!("s{round}"), Correction::SetAvailable(100));
        let by = correct(1, &format!("b{round}"), Correction::By(-30));
        let (set, by) = join(set, by).await;
        booked(set);
        booked(by);
        // Whichever came first, the other started from its balance.
        let available = account(&stores[0], "u1").await.account.available;
        assert!([70, 100].contains(&available), "{available}");
        booked(correct(0, &format!("e{round}"), Correction::SetAvailable(100)).await);
    }
    check_books(&stores[1], "u1").await;
}

pub(crate) async fn refusals_on_new_accounts_disturb_no_first_allocation(fixture: Fixture) {
    let stores = [fixture.store().await, fixture.store().await];
    for round in 0..15 {
        let user_id = format!("u{round}");
        // What is refused makes the account and takes it back, in the middle of the others.
        let commands = (0..12).map(|i| match i % 3 {
            0 => allocate(&user_id, &format!("a{i}"), 10),
            1 => allocate(&user_id, &format!("refused{i}"), 0),
            _ => spend(&user_id, &format!("s{i}"), 1_000),
        });
        let posts = commands.enumerate().map(|(i, command)| post(&stores[i % 2], command));
        let accepted = join_all(posts).await.into_iter().flatten().count();
        assert_eq!(accepted, 4, "{user_id}");
        assert_eq!(account(&stores[0], &user_id).await.account.available, 40, "{user_id}");
        check_books(&stores[1], &user_id).await;
    }
}
