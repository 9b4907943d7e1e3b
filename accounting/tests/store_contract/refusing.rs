//! What is refused changes nothing and disturbs nobody else.

use accrue_accounting::ledger::{Action, CREDITS_LIMIT, Command, Policies, Receipt, Rejection, UserChange};
use accrue_accounting::store::{AccountFilter, StoreError};
use accrue_accounting::{Batcher, PostError, Sweep};
use accrue_chassis::lifecycle::Lifecycle;
use futures_util::future::join_all;

use time::Duration;

use crate::fixture::{
    Fixture, NOON, account, allocate, allocate_until, check_books, entries, post, registered,
};

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

/// Somebody has lowered a balance by hand below what the account's allocations have: nothing
/// is booked on that account, and everything on others.
pub(crate) async fn an_account_that_cannot_be_right_fails_alone(fixture: Fixture) {
    let (store, clock) = fixture.store_at_noon().await;
    post(&store, allocate_until("broken", "k0", 100, NOON + Duration::minutes(5))).await.expect("room");
    fixture.tamper("UPDATE accounts SET available = 50 WHERE user_id = 'broken'").await;
    clock.advance(Duration::minutes(10));
    let read = store.account("broken").await;
    assert!(matches!(read, Err(StoreError::Corrupt(_))), "{read:?}");
    // A list does not fail for it.
    post(&store, allocate("whole", "k0", 7)).await.expect("room");
    let listed = store.accounts(&AccountFilter::default(), None, 10).await.expect("listed");
    let listed: Vec<_> = listed.iter().map(|view| (&*view.account.user_id, view.account.available)).collect();
    assert_eq!(listed, [("whole", 7), ("broken", 50)]);

    let lifecycle = Lifecycle::new();
    let batcher = Batcher::start(&store, Policies::DEFAULT, &lifecycle);
    let commands = (0..40).map(|i| {
        let user_id = if i == 23 { "broken".to_owned() } else { format!("u{}", i % 5) };
        let command = allocate(&user_id, &format!("k-{i}"), 1);
        let batcher = batcher.clone();
        async move { (user_id, batcher.post(command).await) }
    });
    for (user_id, result) in join_all(commands).await {
        match result {
            Ok(Ok(Receipt::Booked(_))) => assert_ne!(user_id, "broken"),
            Err(PostError::Store(error)) => {
                assert!(
                    user_id == "broken" && matches!(*error, StoreError::Corrupt(_)),
                    "{user_id}: {error:?}"
                );
            }
            other => panic!("{user_id}: {other:?}"),
        }
    }
    // Nor do the events of users: one for the broken account is for the dead letters, not for
    // a wait that would hold up the queue, and those of its batch are applied.
    let events = ["u0", "broken", "u1"].map(|user_id| batcher.post(registered(user_id, 1)));
    let [first, broken, last] = <[_; 3]>::try_from(join_all(events).await).expect("three");
    assert!(matches!((first, last), (Ok(Ok(Receipt::User(_))), Ok(Ok(Receipt::User(_))))));
    let Err(PostError::Store(error)) = broken else { panic!("{broken:?}") };
    assert!(matches!(*error, StoreError::Corrupt(_)) && !error.is_passing(), "{error:?}");
    // Nor does the sweep, which goes on with others.
    post(&store, allocate_until("ends", "k0", 5, NOON + Duration::minutes(15))).await.expect("room");
    clock.advance(Duration::minutes(10));
    let sweep = Sweep::new(std::sync::Arc::clone(&store), batcher);
    assert_eq!(sweep.run_once().await.expect("looked for"), 1);
    assert_eq!(entries(&store, "broken").await.len(), 1);
    assert_eq!(account(&store, "ends").await.account.available, 0);
    assert!(lifecycle.drain(std::time::Duration::from_secs(5)).await, "the lanes ended");
    // Mended, it goes on.
    fixture.tamper("UPDATE accounts SET available = 100 WHERE user_id = 'broken'").await;
    post(&store, allocate("broken", "k1", 1)).await.expect("sound again");
    let applied = post(&store, registered("broken", 1)).await;
    assert_eq!(applied, Ok(Receipt::User(UserChange::Applied)));
    check_books(&store, "broken").await;
}
