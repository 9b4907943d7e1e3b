//! A MongoDB server that is killed under registrations: what was acknowledged is
//! there, and what was not is settled by asking again.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use accrue_auth::domain::{EmailAddress, IdempotencyKey, NewUser, Profile};
use accrue_auth::store::{self, AuthStore, Registration, StoreError};
use accrue_chassis::clock::{Clock as _, SystemClock};
use accrue_testkit::OwnMongo;
use futures_util::{StreamExt as _, stream};

const USERS: usize = 300;

/// Registers the `index`-th user under a key of their own, and gives their id.
async fn register(store: &dyn AuthStore, index: usize) -> Result<String, StoreError> {
    let email = EmailAddress::parse(&format!("user{index}@example.com")).expect("an address");
    let key = IdempotencyKey::parse(format!("k-{index}").as_bytes()).expect("a key");
    let hash = String::from("hash").into();
    let new = NewUser::new(store.new_user_id(), Profile::of(email), Some(hash), SystemClock.now(), None);
    match store.register(new.keep_reply(key, Vec::new())).await? {
        Registration::Registered(user) => Ok(user.user_id),
        Registration::KeyUsed(kept) => Ok(kept.user_id),
        other => panic!("user {index} was taken for somebody else: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_loses_nobody_and_doubles_nobody() {
    let Some(server) = OwnMongo::start().await else { return };
    let store = store::open(server.url(), Arc::new(SystemClock), true).await.expect("a store");

    let registering = async {
        let each = |index| {
            let store = &store;
            async move { (index, register(&**store, index).await.ok()) }
        };
        stream::iter(0..USERS).map(each).buffer_unordered(16).collect::<Vec<_>>().await
    };
    let killing = async {
        accrue_testkit::eventually("a third is registered", async || {
            store.backlog().await.is_ok_and(|backlog| backlog.depth > USERS as u64 / 3)
        })
        .await;
        server.kill().await;
        let start = Instant::now();
        assert!(matches!(store.ping().await, Err(StoreError::Unavailable(_))));
        assert!(start.elapsed() < Duration::from_secs(6), "{:?}", start.elapsed());
        server.restart().await;
    };
    let (first_answers, ()) = tokio::join!(registering, killing);
    let unanswered = first_answers.iter().filter(|(_, id)| id.is_none()).count();
    assert!(unanswered > 0, "the server was killed after the last registration");

    accrue_testkit::eventually("the server is found again", async || store.ping().await.is_ok()).await;
    for (index, acknowledged) in first_answers {
        let id = register(&*store, index).await.expect("a store that works");
        if let Some(acknowledged) = acknowledged {
            assert_eq!(id, acknowledged, "user {index} was acknowledged and lost");
        }
    }
    let mut told = BTreeSet::new();
    let claim = store.claim(2 * USERS, Duration::from_secs(10)).await.expect("a claim");
    for entry in &claim.entries {
        assert!(told.insert(entry.owner.clone()), "{} is told of twice", entry.owner);
    }
    assert_eq!(told.len(), USERS);
}
