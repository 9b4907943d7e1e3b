//! The outbox: written with what it tells of, given out under leases.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use accrue_accounting::ledger::{EventPolicy, Policies, Rejection};
use accrue_accounting::store::{LedgerStore, StoreError};
use accrue_events::outbox::Claim;
use serde_json::Value;

use crate::fixture::{
    Fixture, account, allocate, allocate_until, entries, post, post_with, registered, spend,
};
use crate::refusing::impossible;

const LEASE: Duration = Duration::from_secs(10);
/// Events are on, and 10 is low.
pub(crate) const TELLING: Policies =
    Policies { events: EventPolicy::On { balance_low: 10 }, ..Policies::DEFAULT };

/// Allocates to each user, in one batch.
async fn allocate_to(store: &Arc<dyn LedgerStore>, users: &[&str]) {
    let commands: Vec<_> = users.iter().map(|user_id| allocate(user_id, "k", 5)).collect();
    let posted = store.post(&commands, TELLING).await.expect("posted");
    assert!(posted.iter().all(Result::is_ok), "{posted:?}");
}

async fn claim(store: &Arc<dyn LedgerStore>, limit: usize) -> Claim {
    store.claim(limit, LEASE).await.expect("a claim")
}

async fn depth(store: &Arc<dyn LedgerStore>) -> u64 {
    store.backlog().await.expect("an answer").depth
}

fn owners(claim: &Claim) -> Vec<&str> {
    claim.entries.iter().map(|entry| entry.owner.as_str()).collect()
}

/// `type`, `seq` and `credits` of every event claimed.
fn told(claim: &Claim) -> Vec<(String, i64, Option<i64>)> {
    let each = claim.entries.iter().map(|entry| {
        let event: Value = serde_json::from_slice(&entry.message.body).expect("JSON");
        assert_eq!(event["id"], entry.message.id.to_string());
        assert_eq!((&event["subject"], &event["data"]["user_id"]), (&event["subject"], &event["subject"]));
        assert_eq!(event["subject"], entry.owner);
        let kind = event["type"].as_str().expect("text").to_owned();
        (kind, event["data"]["seq"].as_i64().expect("a number"), event["data"]["credits"].as_i64())
    });
    each.collect()
}

pub(crate) async fn what_is_booked_is_told_with_it(fixture: Fixture) {
    let (store, clock) = fixture.store_at_noon().await;
    let end = crate::fixture::NOON + time::Duration::minutes(1);
    let batch = [
        allocate_until("u1", "a", 12, end),
        registered("u1", 1),
        spend("u1", "b", 1),
        allocate("u2", "a", 7),
        spend("u1", "c", 2),
    ];
    let posted = store.post(&batch, TELLING).await.expect("posted");
    assert!(posted.iter().all(Result::is_ok), "{posted:?}");
    clock.advance(time::Duration::minutes(2));
    store
        .post(&[accrue_accounting::ledger::Command::settle("u1".to_owned())], TELLING)
        .await
        .expect("posted");
    let claim = claim(&store, 99).await;
    assert_eq!(owners(&claim), ["u1", "u1", "u1", "u1", "u2", "u1"]);
    let kind = |word: &str| format!("accrue.{word}.v1");
    let expected = [
        (kind("credits.allocated"), 1, Some(12)),
        (kind("credits.used"), 2, Some(-1)),
        (kind("credits.used"), 3, Some(-2)),
        (kind("balance.low"), 3, None),
        (kind("credits.allocated"), 1, Some(7)),
        (kind("credits.expired"), 4, Some(-9)),
    ];
    assert_eq!(told(&claim), expected);
    let message = &claim.entries[0].message;
    assert_eq!(message.routing_key, "account.credits_allocated");
    assert_eq!(
        (message.content_type.as_str(), &message.traceparent),
        ("application/cloudevents+json", &None)
    );
}

pub(crate) async fn what_is_not_booked_is_not_told(fixture: Fixture) {
    let store = fixture.store().await;
    // Off, there is nothing to tell.
    post(&store, allocate("u1", "k0", 5)).await.expect("room");
    assert_eq!(depth(&store).await, 0);
    let refused = post_with(&store, spend("u1", "k1", 6), TELLING).await;
    assert!(matches!(refused, Err(Rejection::InsufficientCredits { .. })), "{refused:?}");
    assert_eq!(depth(&store).await, 0, "a refusal was told");
    // A batch that the database refuses is told as little as it is booked.
    let taken = allocate("u3", "k0", 1);
    post(&store, taken.clone()).await.expect("room");
    let failed = store.post(&[allocate("u2", "k", 1), impossible("u3", &taken)], TELLING).await;
    assert!(matches!(failed, Err(StoreError::Refused(_))), "{failed:?}");
    assert_eq!(depth(&store).await, 0, "a batch that failed was told");
    // Posted again, as after a commit that nobody heard of.
    for _ in 0..3 {
        post_with(&store, allocate("u1", "k2", 5), TELLING).await.expect("room");
    }
    assert_eq!(told(&claim(&store, 9).await), [("accrue.credits.allocated.v1".to_owned(), 2, Some(5))]);
    assert_eq!(account(&store, "u1").await.account.available, 10);
}

pub(crate) async fn events_survive_the_process(fixture: Fixture) {
    let store = fixture.store().await;
    allocate_to(&store, &["u1", "u2"]).await;
    drop(store);
    let store = fixture.store().await;
    assert_eq!(owners(&claim(&store, 9).await), ["u1", "u2"]);
    assert_eq!(entries(&store, "u1").await.len(), 1);
}

pub(crate) async fn a_claim_gives_each_event_once(fixture: Fixture) {
    let (one, other) = (fixture.store().await, fixture.store().await);
    allocate_to(&one, &["u1", "u2", "u3"]).await;
    let (first, second) = tokio::join!(claim(&one, 10), claim(&other, 10));
    let all: BTreeSet<_> = owners(&first).into_iter().chain(owners(&second)).collect();
    assert_eq!(first.entries.len() + second.entries.len(), 3);
    assert_eq!(all, BTreeSet::from(["u1", "u2", "u3"]));
    assert!(claim(&other, 10).await.entries.is_empty());
}

pub(crate) async fn an_old_token_marks_and_releases_nothing(fixture: Fixture) {
    let (slow, clock) = fixture.store_at_noon().await;
    let fast = fixture.store_at(Arc::<accrue_chassis::clock::ManualClock>::clone(&clock)).await;
    allocate_to(&slow, &["u1"]).await;
    let old = claim(&slow, 10).await;
    clock.advance(time::Duration::seconds(9));
    assert!(claim(&fast, 10).await.entries.is_empty(), "the lease still runs");
    clock.advance(time::Duration::seconds(1));
    let current = claim(&fast, 10).await;
    assert_eq!(current.entries.len(), 1, "the lease has ended");

    slow.mark_published(&old, &old.entries).await.expect("an answer");
    slow.release(&old).await.expect("an answer");
    assert_eq!(depth(&slow).await, 1, "the old token removed an event");
    assert!(claim(&slow, 10).await.entries.is_empty(), "the old token freed it");

    fast.mark_published(&current, &current.entries).await.expect("an answer");
    assert_eq!(depth(&slow).await, 0);
}

pub(crate) async fn a_lease_of_a_wrong_clock_is_taken(fixture: Fixture) {
    let (store, clock) = fixture.store_at_noon().await;
    allocate_to(&store, &["u1"]).await;
    clock.advance(time::Duration::seconds(9));
    assert_eq!(claim(&store, 10).await.entries.len(), 1);
    clock.advance(time::Duration::seconds(-9));
    assert!(claim(&store, 10).await.entries.is_empty(), "19 s ahead is no fault");
    clock.advance(time::Duration::hours(-1));
    assert_eq!(claim(&store, 10).await.entries.len(), 1, "an hour ahead is one");
}

pub(crate) async fn only_what_was_confirmed_goes(fixture: Fixture) {
    let (store, clock) = fixture.store_at_noon().await;
    allocate_to(&store, &["u1", "u2", "u3"]).await;
    let first = claim(&store, 10).await;
    allocate_to(&store, &["u4"]).await;
    store.mark_published(&first, &first.entries[..1]).await.expect("marked");
    // As often as it is said.
    store.mark_published(&first, &first.entries[..1]).await.expect("marked");
    store.mark_published(&first, &[]).await.expect("marked");
    assert_eq!(depth(&store).await, 3);
    assert_eq!(owners(&claim(&store, 10).await), ["u4"], "the others are still held");
    clock.advance(time::Duration::seconds(10));
    assert_eq!(owners(&claim(&store, 10).await), ["u2", "u3", "u4"]);
}

pub(crate) async fn what_is_released_can_be_claimed_at_once(fixture: Fixture) {
    let store = fixture.store().await;
    allocate_to(&store, &["u1", "u2"]).await;
    let first = claim(&store, 10).await;
    store.release(&first).await.expect("released");
    let again = claim(&store, 10).await;
    assert_eq!(owners(&again), owners(&first));
    assert_ne!(again.token, first.token);
}

pub(crate) async fn a_claim_keeps_to_its_limit_and_the_order(fixture: Fixture) {
    let store = fixture.store().await;
    // The newest user comes first by name: the order is that of writing.
    for user_id in ["u9", "u7", "u5", "u3", "u1"] {
        allocate_to(&store, &[user_id]).await;
    }
    for expected in [["u9", "u7"].as_slice(), &["u5", "u3"], &["u1"]] {
        let claim = claim(&store, 2).await;
        assert_eq!(owners(&claim), expected);
        store.mark_published(&claim, &claim.entries).await.expect("marked");
    }
    assert_eq!(depth(&store).await, 0);
}

pub(crate) async fn the_backlog_is_counted_and_timed(fixture: Fixture) {
    let (store, clock) = fixture.store_at_noon().await;
    let empty = store.backlog().await.expect("an answer");
    assert_eq!((empty.depth, empty.oldest_age), (0, Duration::ZERO));
    allocate_to(&store, &["u1"]).await;
    clock.advance(time::Duration::seconds(60));
    allocate_to(&store, &["u2"]).await;
    let backlog = store.backlog().await.expect("an answer");
    assert_eq!((backlog.depth, backlog.oldest_age.as_secs()), (2, 60));
    clock.advance(time::Duration::hours(-2));
    assert_eq!(store.backlog().await.expect("an answer").oldest_age, Duration::ZERO);
}
