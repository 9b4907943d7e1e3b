//! What is refused changes nothing and disturbs nobody else.

use accrue_accounting::ledger::{Action, CREDITS_LIMIT, Command, Policies, Receipt, Rejection};
use accrue_accounting::store::StoreError;
use accrue_accounting::{Batcher, PostError};
use accrue_chassis::lifecycle::Lifecycle;
use futures_util::future::join_all;

use crate::fixture::{Fixture, account, allocate, check_books, post};

pub(crate) async fn a_rejection_disturbs_nobody(fixture: Fixture) {
    let store = fixture.store().await;
    post(&store, allocate("full", "k0", CREDITS_LIMIT - 5)).await.expect("room");
    let batch = [
        allocate("full", "k1", 5),
        allocate("u1", "k1", 0),
        allocate("full", "k2", 4),
        allocate("u1", "k2", 8),
    ];
    let posted = store.post(&batch, Policies::DEFAULT).await.expect("posted");
    assert_eq!(posted[0], Err(Rejection::BalanceLimit));
    assert_eq!(posted[1], Err(Rejection::CreditsOutOfRange));
    assert!(posted[2].is_ok() && posted[3].is_ok());
    assert_eq!(account(&store, "full").await.account.available, CREDITS_LIMIT - 1);
    // A rejected key is free.
    assert!(post(&store, allocate("u1", "k1", 3)).await.is_ok());
    check_books(&store, "full").await;
    check_books(&store, "u1").await;
}

/// A command that only the database can refuse: it makes an allocation under an id
/// that the account already has.
pub(crate) fn impossible(user_id: &str, taken: &Command) -> Command {
    let mut command = allocate(user_id, "impossible", 9);
    if let (Action::Allocate(order), Action::Allocate(taken)) = (&mut command.action, &taken.action) {
        order.allocation_id = taken.allocation_id;
    }
    command
}

pub(crate) async fn a_refused_value_fails_alone(fixture: Fixture) {
    let store = fixture.store().await;
    let taken = allocate("u3", "k0", 1);
    post(&store, taken.clone()).await.expect("room");
    let alone = store.post(&[allocate("u0", "k", 1), impossible("u3", &taken)], Policies::DEFAULT).await;
    assert!(matches!(alone, Err(StoreError::Refused(_))), "{alone:?}");
    assert_eq!(store.account("u0").await.expect("readable"), None, "a failed batch left something");

    let lifecycle = Lifecycle::new();
    let batcher = Batcher::start(&store, Policies::DEFAULT, &lifecycle);
    let commands = (0..40).map(|i| {
        let command = if i == 23 {
            impossible("u3", &taken)
        } else {
            allocate(&format!("u{}", i % 5), &format!("k-{i}"), 1)
        };
        let batcher = batcher.clone();
        async move { (i, batcher.post(command).await) }
    });
    for (i, result) in join_all(commands).await {
        match result {
            Ok(Ok(Receipt::Booked(_))) => assert_ne!(i, 23),
            Err(PostError::Store(error)) => {
                assert!(i == 23 && matches!(*error, StoreError::Refused(_)), "command {i}: {error:?}");
            }
            other => panic!("command {i}: {other:?}"),
        }
    }
    let mut sum = 0;
    for user in 0..5 {
        check_books(&store, &format!("u{user}")).await;
        sum += account(&store, &format!("u{user}")).await.account.available;
    }
    assert_eq!(sum, 40);
    assert!(lifecycle.drain(std::time::Duration::from_secs(5)).await, "the lanes ended");
}
