//! What stays when a store, a process or a caller goes.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use accrue_auth::store;
use accrue_chassis::clock::SharedClock;
use tokio::task::JoinSet;

use crate::place::{Place, new_user, now, open, register};

const LEASE: Duration = Duration::from_secs(10);

pub(crate) async fn a_reopened_store_has_everything(place: &Place) {
    let clock = now();
    let mut users = BTreeSet::new();
    for name in ["ada", "ida"] {
        let store = place.store(&clock).await;
        users.insert(register(&*store, &clock, name).await);
    }
    let store = place.store(&clock).await;
    for user in &users {
        assert!(store.user(user).await.expect("an answer").is_some());
    }
    let claim = store.claim(10, LEASE).await.expect("a claim");
    assert_eq!(claim.entries.into_iter().map(|entry| entry.owner).collect::<BTreeSet<_>>(), users);
}

pub(crate) async fn a_request_cut_off_leaves_both_or_neither(place: &Place) {
    let clock = now();
    let store = place.store(&clock).await;
    let mut ids = Vec::new();
    for steps in 0..40 {
        let new = new_user(&*store, &clock, &format!("user{steps}"));
        ids.push(new.user().user_id.clone());
        let mut caller = JoinSet::new();
        let callers_store = Arc::clone(&store);
        caller.spawn(async move { callers_store.register(new).await });
        for _ in 0..steps {
            tokio::task::yield_now().await;
        }
        caller.shutdown().await;
    }
    // What was cut off may still be under way. So: whoever is there now has an
    // event a moment later, and whoever has an event is there a moment later.
    let before = present(&*store, &ids).await;
    let mut told = BTreeSet::new();
    loop {
        let claim = store.claim(100, LEASE).await.expect("a claim");
        if claim.entries.is_empty() {
            break;
        }
        told.extend(claim.entries.into_iter().map(|entry| entry.owner));
    }
    let after = present(&*store, &ids).await;
    assert!(before.is_subset(&told), "users without an event: {:?}", &before - &told);
    assert!(told.is_subset(&after), "events without a user: {:?}", &told - &after);
    register(&*store, &clock, "afterwards").await;
}

async fn present(store: &dyn store::AuthStore, ids: &[String]) -> BTreeSet<String> {
    let mut present = BTreeSet::new();
    for id in ids {
        present.extend(store.user(id).await.expect("an answer").map(|user| user.user_id));
    }
    present
}

pub(crate) async fn a_store_that_was_never_migrated_is_not_opened(place: &Place) {
    let clock: SharedClock = now();
    let unmigrated = store::open(&place.url(), Arc::clone(&clock), false).await;
    assert!(unmigrated.err().is_some_and(|error| error.may_pass()));
    drop(place.store(&now()).await);
    assert!(store::open(&place.url(), clock, false).await.is_ok());
}

pub(crate) async fn two_processes_migrate_at_once(place: &Place) {
    let url = place.url();
    let opened = futures_util::future::join_all((0..4).map(|_| open(&url, now()))).await;
    for store in opened {
        store.expect("a store").ping().await.expect("an answer");
    }
}
