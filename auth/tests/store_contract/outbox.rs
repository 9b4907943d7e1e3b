//! The outbox: leases, fencing tokens, what is marked and what stays.

use std::collections::BTreeSet;
use std::time::Duration;

use accrue_events::outbox::Claim;
use accrue_events::user::{Decoded, UserEvent, UserEventKind};

use crate::place::{Place, new_user, now, register};

const LEASE: Duration = Duration::from_secs(10);

fn owners(claim: &Claim) -> BTreeSet<String> {
    claim.entries.iter().map(|entry| entry.owner.clone()).collect()
}

pub(crate) async fn a_claim_gives_each_event_once(place: &Place) {
    let clock = now();
    let stores = [place.store(&clock).await, place.store(&clock).await];
    let mut users = BTreeSet::new();
    for name in ["ada", "ida", "eda"] {
        users.insert(register(&*stores[0], &clock, name).await);
    }
    let (one, other) = tokio::join!(stores[0].claim(10, LEASE), stores[1].claim(10, LEASE));
    let (one, other) = (one.expect("a claim"), other.expect("a claim"));
    assert_eq!(one.entries.len() + other.entries.len(), 3);
    assert_eq!(&owners(&one) | &owners(&other), users);
    assert!(stores[1].claim(10, LEASE).await.expect("a claim").entries.is_empty());
}

pub(crate) async fn an_event_tells_the_whole_user(place: &Place) {
    let clock = now();
    let store = place.store(&clock).await;
    let new = new_user(&*store, &clock, "ada");
    let user = new.user().clone();
    store.register(new).await.expect("registered");
    let claim = store.claim(10, LEASE).await.expect("a claim");
    let message = &claim.entries[0].message;
    let Ok(Decoded::User(event)) = UserEvent::decode(&message.body) else { panic!("no user event") };
    assert_eq!(event.kind, UserEventKind::Registered);
    assert_eq!(event.user, user.snapshot());
    assert_eq!(event.id, message.id);
    assert_eq!(message.routing_key, "user.registered");
    assert_eq!(message.content_type, "application/cloudevents+json");
    assert!(message.traceparent.as_deref().is_some_and(|header| header.starts_with("00-0af7")));
    assert_eq!(claim.entries[0].owner, user.user_id);
}

pub(crate) async fn an_old_token_marks_and_releases_nothing(place: &Place) {
    let clock = now();
    let (slow, fast) = (place.store(&clock).await, place.store(&clock).await);
    register(&*slow, &clock, "ada").await;
    let old = slow.claim(10, LEASE).await.expect("a claim");
    clock.advance(time::Duration::seconds(9));
    assert!(fast.claim(10, LEASE).await.expect("a claim").entries.is_empty(), "the lease still runs");
    clock.advance(time::Duration::seconds(1));
    let current = fast.claim(10, LEASE).await.expect("a claim");
    assert_eq!(current.entries.len(), 1, "the lease has ended");

    slow.mark_published(&old, &old.entries).await.expect("an answer");
    slow.release(&old).await.expect("an answer");
    assert_eq!(slow.backlog().await.expect("an answer").depth, 1, "the old token removed an entry");
    assert!(slow.claim(10, LEASE).await.expect("a claim").entries.is_empty(), "the old token freed it");

    fast.mark_published(&current, &current.entries).await.expect("an answer");
    assert_eq!(slow.backlog().await.expect("an answer").depth, 0);
}

pub(crate) async fn a_lease_of_a_wrong_clock_is_taken(place: &Place) {
    let clock = now();
    let store = place.store(&clock).await;
    register(&*store, &clock, "ada").await;
    clock.advance(time::Duration::seconds(9));
    assert_eq!(store.claim(10, LEASE).await.expect("a claim").entries.len(), 1);
    clock.advance(time::Duration::seconds(-9));
    assert!(store.claim(10, LEASE).await.expect("a claim").entries.is_empty(), "19 s ahead is no fault");
    clock.advance(time::Duration::hours(-1));
    assert_eq!(store.claim(10, LEASE).await.expect("a claim").entries.len(), 1, "an hour ahead is one");
}

pub(crate) async fn only_what_was_confirmed_goes(place: &Place) {
    let clock = now();
    let store = place.store(&clock).await;
    for name in ["ada", "ida", "eda"] {
        register(&*store, &clock, name).await;
    }
    let claim = store.claim(10, LEASE).await.expect("a claim");
    let later = register(&*store, &clock, "uda").await;
    store.mark_published(&claim, &claim.entries[..1]).await.expect("marked");
    // As often as it is said.
    store.mark_published(&claim, &claim.entries[..1]).await.expect("marked");
    store.mark_published(&claim, &[]).await.expect("marked");
    assert_eq!(store.backlog().await.expect("an answer").depth, 3);
    let next = store.claim(10, LEASE).await.expect("a claim");
    assert_eq!(owners(&next), BTreeSet::from([later]), "the others are still held");
    clock.advance(time::Duration::seconds(10));
    let rest = store.claim(10, LEASE).await.expect("a claim");
    assert_eq!(rest.entries.len(), 3);
    assert!(!owners(&rest).contains(&claim.entries[0].owner), "it was published");
}

pub(crate) async fn what_is_released_can_be_claimed_at_once(place: &Place) {
    let clock = now();
    let store = place.store(&clock).await;
    register(&*store, &clock, "ada").await;
    let claim = store.claim(10, LEASE).await.expect("a claim");
    store.release(&claim).await.expect("released");
    let again = store.claim(10, LEASE).await.expect("a claim");
    assert_eq!(owners(&again), owners(&claim));
    assert_ne!(again.token, claim.token);
}

pub(crate) async fn a_claim_keeps_to_its_limit(place: &Place) {
    let clock = now();
    let store = place.store(&clock).await;
    let mut users = Vec::new();
    for name in ["ada", "ida", "eda", "uda", "oda"] {
        users.push(register(&*store, &clock, name).await);
        clock.advance(time::Duration::seconds(1));
    }
    for expected in users.chunks(2) {
        let claim = store.claim(2, LEASE).await.expect("a claim");
        let owners: Vec<_> = claim.entries.iter().map(|entry| entry.owner.clone()).collect();
        assert_eq!(owners, expected, "oldest first");
    }
}

pub(crate) async fn the_backlog_is_counted_and_timed(place: &Place) {
    let clock = now();
    let store = place.store(&clock).await;
    let empty = store.backlog().await.expect("an answer");
    assert_eq!((empty.depth, empty.oldest_age), (0, Duration::ZERO));
    register(&*store, &clock, "ada").await;
    clock.advance(time::Duration::seconds(60));
    register(&*store, &clock, "ida").await;
    let backlog = store.backlog().await.expect("an answer");
    assert_eq!((backlog.depth, backlog.oldest_age.as_secs()), (2, 60));
    clock.advance(time::Duration::hours(-2));
    assert_eq!(store.backlog().await.expect("an answer").oldest_age, Duration::ZERO);
    let claim = store.claim(10, LEASE).await.expect("a claim");
    store.mark_published(&claim, &claim.entries).await.expect("marked");
    assert_eq!(store.backlog().await.expect("an answer").depth, 0);
}
