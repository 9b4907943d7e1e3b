//! One process, one command after the other: what is booked and what is answered.

use accrue_accounting::ledger::{
    AccountStatus, Command, EntryKind, Policies, Receipt, Rejection, UserChange, Welcome, WelcomePolicy,
};
use accrue_events::user::UserStatus;
use serde_json::Value;
use time::Duration;
use uuid::Uuid;

use crate::fixture::{
    Fixture, NOON, account, allocate, allocate_until, booked, check_books, entries, post, post_with,
    registered, snapshot, spend,
};

pub(crate) async fn credits_wait_on_a_placeholder(fixture: Fixture) {
    let (store, _) = fixture.store_at_noon().await;
    let reply = booked(post(&store, allocate("u1", "k1", 100)).await);
    let body: Value = serde_json::from_slice(&reply.body).expect("JSON");
    assert_eq!(body["account_status"], "placeholder");
    assert_eq!(body["balance"]["available"], 100);
    let waiting = account(&store, "u1").await.account;
    assert_eq!((waiting.status, waiting.email), (AccountStatus::Placeholder, None));
    assert_eq!(store.placeholders().await.expect("counted").count, 1);

    let receipt = post(&store, registered("u1", 5)).await;
    assert_eq!(receipt, Ok(Receipt::User(UserChange::Applied)));
    let active = account(&store, "u1").await.account;
    assert_eq!((active.status, active.available), (AccountStatus::Active, 100));
    assert_eq!((active.email.as_deref(), active.display_name.as_deref()), (Some("mail-5"), Some("name-5")));
    assert_eq!(store.placeholders().await.expect("counted").count, 0);

    let id = body["allocation"]["id"].as_str().and_then(|id| id.parse().ok()).expect("an id");
    let allocation = store.allocation("u1", id).await.expect("readable").expect("there").allocation;
    assert_eq!((allocation.credits, allocation.remaining), (100, 100));
    assert_eq!(allocation.metadata, Some(serde_json::json!({"order": 7, "äöü": ["x"]})));
    assert_eq!((allocation.recorded_at, allocation.actor.as_str()), (NOON, "tester"));
    assert_eq!(store.allocation("u2", id).await.expect("readable"), None, "another account's allocation");
    check_books(&store, "u1").await;
}

pub(crate) async fn a_key_is_answered_alike_and_later_by_address(fixture: Fixture) {
    let (store, clock) = fixture.store_at_noon().await;
    let first = booked(post(&store, allocate("u1", "k1", 5)).await);
    post(&store, allocate("u1", "k2", 7)).await.expect("room");
    clock.advance(Duration::days(29));
    let again = booked(post(&store, allocate("u1", "k1", 5)).await);
    assert_eq!((&again.body, &again.resource), (&first.body, &first.resource));
    assert!(again.is_replay && !first.is_replay);
    assert_eq!(post(&store, allocate("u1", "k1", 6)).await, Err(Rejection::KeyReused));
    clock.advance(Duration::days(2));
    let gone = Rejection::ReplyGone { resource: first.resource };
    assert_eq!(post(&store, allocate("u1", "k1", 5)).await, Err(gone));
    // A key counts within its account.
    assert!(!booked(post(&store, allocate("u2", "k1", 6)).await).is_replay);
    assert_eq!(account(&store, "u1").await.account.available, 12);
}

/// As when a commit's answer was lost: with the same ids, among commands that are new, and
/// with some that would be refused by now.
pub(crate) async fn a_batch_posted_again_is_answered_alike(fixture: Fixture) {
    let store = fixture.store().await;
    let batch = [
        allocate("u1", "k1", 50),
        spend("u1", "k2", 40),
        spend("u1", "k3", 40),
        allocate("u2", "k1", 7),
        spend("u2", "k2", 7),
    ];
    let first = store.post(&batch, Policies::DEFAULT).await.expect("posted");
    let insufficient = Rejection::InsufficientCredits { available: 10, required: 40 };
    assert_eq!(first[2], Err(insufficient.clone()));
    let mut more = vec![spend("u1", "k4", 10)];
    more.extend(batch.iter().cloned());
    let again = store.post(&more, Policies::DEFAULT).await.expect("posted");
    let told = |posted: &Result<Receipt, Rejection>| booked(posted.clone()).body;
    assert!(!booked(again[0].clone()).is_replay);
    for place in [0, 1, 3, 4] {
        assert_eq!(told(&again[place + 1]), told(&first[place]), "command {place}");
        assert!(booked(again[place + 1].clone()).is_replay, "command {place}");
    }
    assert_eq!(again[3], Err(Rejection::InsufficientCredits { available: 0, required: 40 }));
    // Alone, a spend of what is gone is answered as it was, and not refused.
    let last = store.post(&batch[4..], Policies::DEFAULT).await.expect("posted");
    assert_eq!(told(&last[0]), told(&first[4]));
    for (user_id, count) in [("u1", 3), ("u2", 2)] {
        assert_eq!(account(&store, user_id).await.account.available, 0, "{user_id}");
        assert_eq!(entries(&store, user_id).await.len(), count, "{user_id}");
        check_books(&store, user_id).await;
    }
}

pub(crate) async fn a_batch_keeps_the_order_of_one_user(fixture: Fixture) {
    let store = fixture.store().await;
    let batch = [
        allocate("u2", "k1", 1),
        registered("u1", 10),
        allocate("u1", "k1", 1),
        allocate("u1", "k1", 1),
        allocate("u1", "k1", 2),
        registered("u1", 9),
        registered("u1", 11),
        allocate("u1", "k2", 3),
    ];
    let posted = store.post(&batch, Policies::DEFAULT).await.expect("posted");
    let (first, again) = (booked(posted[2].clone()), booked(posted[3].clone()));
    assert!(again.is_replay && again.body == first.body);
    assert_eq!(posted[4], Err(Rejection::KeyReused));
    assert_eq!(posted[5], Ok(Receipt::User(UserChange::Stale)));
    let body: Value = serde_json::from_slice(&booked(posted[7].clone()).body).expect("JSON");
    assert_eq!((&body["balance"]["available"], &body["account_status"]), (&4.into(), &"active".into()));
    assert_eq!(account(&store, "u1").await.account.email.as_deref(), Some("mail-11"));
    check_books(&store, "u1").await;
    check_books(&store, "u2").await;
}

pub(crate) async fn what_ran_out_is_booked_and_never_shown(fixture: Fixture) {
    let (store, clock) = fixture.store_at_noon().await;
    for (key, credits, minutes) in [("a", 10, 10), ("b", 20, 20), ("c", 40, 30), ("d", 80, 20)] {
        let end = NOON + Duration::minutes(minutes);
        post(&store, allocate_until("u1", key, credits, end)).await.expect("room");
    }
    post(&store, allocate("u1", "e", 500)).await.expect("room");
    assert_eq!(account(&store, "u1").await.account.available, 650);

    // Not booked yet, and still not shown: neither alone nor in a list.
    clock.advance(Duration::minutes(20));
    assert_eq!(account(&store, "u1").await.account.available, 540);
    let listed = store.accounts(&accrue_accounting::store::AccountFilter::default(), None, 10).await;
    assert_eq!(listed.expect("readable")[0].account.available, 540);
    assert_eq!(entries(&store, "u1").await.len(), 5);

    // The next command books it, in the order in which it ran out.
    post(&store, allocate("u1", "f", 1)).await.expect("room");
    let entries = entries(&store, "u1").await;
    let newest: Vec<_> = entries[5..].iter().map(|entry| (entry.kind, entry.credits)).collect();
    assert_eq!(newest[0], (EntryKind::Expiry, -10));
    assert_eq!((newest[1].1 + newest[2].1, newest[3]), (-100, (EntryKind::Allocation, 1)));
    let expired =
        store.allocation("u1", entries[7].reference).await.expect("readable").expect("there").allocation;
    assert_eq!(expired.remaining, 0);
    let state = account(&store, "u1").await.account;
    assert_eq!((state.available, state.next_due_at), (541, Some(NOON + Duration::minutes(30))));

    clock.advance(Duration::minutes(10));
    post(&store, registered("u1", 1)).await.expect("applied");
    let state = account(&store, "u1").await.account;
    assert_eq!((state.available, state.next_due_at), (501, None));
    check_books(&store, "u1").await;
}

pub(crate) async fn welcome_credits_come_once(fixture: Fixture) {
    let store = fixture.store().await;
    let welcome = WelcomePolicy { credits: 25, needs_verified_email: false };
    let welcome = Policies { welcome, ..Policies::DEFAULT };
    post(&store, allocate("u1", "k1", 100)).await.expect("room");
    for version in [5, 5, 4, 6] {
        post_with(&store, registered("u1", version), welcome).await.expect("looked at");
    }
    let state = account(&store, "u1").await.account;
    assert_eq!((state.available, state.welcome), (125, Welcome::Granted));
    // Decided with no: turning the policy on later changes nothing.
    post(&store, registered("u2", 1)).await.expect("applied");
    post_with(&store, registered("u2", 2), welcome).await.expect("applied");
    let state = account(&store, "u2").await.account;
    assert_eq!((state.available, state.welcome), (0, Welcome::Declined));
    check_books(&store, "u1").await;
}

pub(crate) async fn everything_is_found_after_reopening(fixture: Fixture) {
    let store = fixture.store().await;
    let first = booked(post(&store, allocate("u1", "k1", 5)).await);
    post(&store, registered("u1", 3)).await.expect("applied");
    let gone = Command::apply_user(snapshot("u2", 4, UserStatus::Deleted), Uuid::now_v7());
    post(&store, gone).await.expect("applied");
    drop(store);
    let store = fixture.store().await;
    let again = booked(post(&store, allocate("u1", "k1", 5)).await);
    assert!(again.is_replay && again.body == first.body);
    assert_eq!(account(&store, "u1").await.account.status, AccountStatus::Active);
    assert_eq!(account(&store, "u2").await.account.status, AccountStatus::Closed);
    assert_eq!(post(&store, allocate("u2", "k1", 5)).await, Err(Rejection::AccountClosed));
    assert_eq!(store.account("u3").await.expect("readable"), None);
}
