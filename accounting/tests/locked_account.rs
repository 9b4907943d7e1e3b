//! An account that somebody else holds locked on PostgreSQL holds up nobody else.

use std::sync::Arc;

use accrue_accounting::ledger::{
    Action, Allocate, Command, DEFAULT_PRIORITY, IdempotencyKey, Policies, Receipt, Rejection, Transfer,
};
use accrue_accounting::store::open;
use accrue_chassis::clock::SystemClock;
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

fn allocation(user_id: &str, key: &str) -> Command {
    let action = Action::Allocate(Allocate {
        allocation_id: Uuid::now_v7(),
        credits: 1,
        priority: DEFAULT_PRIORITY,
        effective_at: None,
        expires_at: None,
        reason: None,
        metadata: None,
    });
    let key = IdempotencyKey { client: "test".to_owned(), key: key.to_owned(), fingerprint: [0; 32] };
    Command { user_id: user_id.to_owned(), actor: "test".to_owned(), idempotency: Some(key), action }
}

fn transfer((from, to): (&str, &str), key: &str) -> Command {
    let (to, reason) = (to.to_owned(), "mistyped".to_owned());
    let order = Transfer { transfer_id: Uuid::now_v7(), to, credits: Some(1), reason };
    Command { action: Action::Transfer(order), ..allocation(from, key) }
}

#[tokio::test]
async fn what_concerns_a_locked_account_is_set_aside() {
    let Some(database) = accrue_testkit::postgres().await else { return };
    let store = open(database.url(), 1, true, Arc::new(SystemClock)).await.expect("opened");
    let batch =
        |key: &str| ["a", "locked", "b", "locked", "c"].map(|user_id| allocation(user_id, key)).to_vec();
    store.post(&batch("first"), Policies::DEFAULT).await.expect("posted");

    let mut holder = PgConnection::connect(database.url()).await.expect("connected");
    let mut held = holder.begin().await.expect("begun");
    sqlx::query("SELECT FROM accounts WHERE user_id = 'locked' FOR UPDATE")
        .execute(&mut *held)
        .await
        .expect("locked");
    let posted = store.post(&batch("second"), Policies::DEFAULT).await.expect("posted");
    let are_busy = |posted: Vec<Result<Receipt, Rejection>>| {
        posted.into_iter().map(|one| one == Err(Rejection::AccountBusy)).collect::<Vec<bool>>()
    };
    assert_eq!(are_busy(posted), [false, true, false, true, false]);
    // A transfer waits for either of its accounts.
    let transfers = [("a", "locked"), ("locked", "b"), ("b", "c")].map(|ends| transfer(ends, "third"));
    let posted = store.post(&transfers, Policies::DEFAULT).await.expect("posted");
    assert_eq!(are_busy(posted), [true, true, false]);
    held.rollback().await.expect("let go");

    let posted = store.post(&batch("second"), Policies::DEFAULT).await.expect("posted");
    assert!(posted.iter().all(Result::is_ok), "{posted:?}");
    let posted = store.post(&transfers, Policies::DEFAULT).await.expect("posted");
    assert!(posted.iter().all(Result::is_ok), "{posted:?}");
    for (user_id, available) in [("a", 1), ("b", 2), ("c", 3), ("locked", 2)] {
        let account = store.account(user_id).await.expect("readable").expect("there").account;
        assert_eq!(account.available, available, "{user_id}");
    }
}

#[tokio::test]
async fn an_account_that_somebody_is_making_holds_up_nobody_else() {
    let Some(database) = accrue_testkit::postgres().await else { return };
    let store = open(database.url(), 1, true, Arc::new(SystemClock)).await.expect("opened");
    let mut holder = PgConnection::connect(database.url()).await.expect("connected");
    let mut held = holder.begin().await.expect("begun");
    sqlx::query("INSERT INTO accounts (user_id, created_at, updated_at) VALUES ('made', now(), now())")
        .execute(&mut *held)
        .await
        .expect("inserted");
    let first = allocation("there", "first");
    store.post(&[first], Policies::DEFAULT).await.expect("posted");
    let batch = ["made", "there"].map(|user_id| allocation(user_id, "second"));
    let posted = store.post(&batch, Policies::DEFAULT).await.expect("posted");
    assert_eq!(posted[0], Err(Rejection::AccountBusy));
    assert!(posted[1].is_ok(), "{posted:?}");
    held.commit().await.expect("let go");
    let posted = store.post(&batch, Policies::DEFAULT).await.expect("posted");
    assert!(posted.iter().all(Result::is_ok), "{posted:?}");
}
