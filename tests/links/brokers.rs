//! Faults of the broker and of those who use it: crashes with deliveries in hand, queues deleted,
//! messages that come many times and in any order.

use std::time::Duration;

use accrue_events::broker::{Destination, Message, Publication};
use accrue_testkit::within;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use uuid::Uuid;

use crate::world::World;

/// More often than a message may be delivered.
const CRASHES: usize = 25;

async fn register_all(world: &World, count: usize) -> Vec<String> {
    let mut user_ids = Vec::with_capacity(count);
    for n in 0..count {
        user_ids.push(world.register(&format!("user{n}")).await);
    }
    user_ids
}

/// accounting dies again and again with all in hand that it takes at once. Each time charges every
/// message that was in hand, so innocent ones end as dead letters: a redrive brings them back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accounting_crashes_again_and_again_with_deliveries_in_hand() {
    let Some(mut world) = World::start().await else { return };
    // It reads, so that it subscribes, and cannot write.
    let held = world.hold_accounts().await;
    let user_ids = register_all(&world, 12).await;
    for _ in 0..CRASHES {
        within(Duration::from_secs(20), "it has deliveries in hand, or none is left", async || {
            world.depth().await.queue <= 2
        })
        .await;
        world.accounting.kill();
        world.accounting.start_again().await;
    }
    drop(held);
    within(Duration::from_mins(1), "what can be consumed is", async || world.depth().await.queue == 0).await;
    within(Duration::from_mins(1), "some were delivered too often", async || {
        world.depth().await.dead_letters > 0
    })
    .await;
    let (code, told) = world.operate(&["dlq", "redrive", "--yes"]).await;
    assert_eq!(code, Some(0), "{told}");
    world.check(&user_ids).await;
    assert_eq!(world.depth().await.dead_letters, 0, "{told}");
    world.end().await;
}

/// Somebody deletes every exchange and queue, with what is in them: both services declare them
/// again, and a replay brings back what was in them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_on_the_broker_is_deleted_live() {
    let Some(world) = World::start().await else { return };
    let held = world.hold_accounts().await;
    let mut user_ids = register_all(&world, 10).await;
    world.lose_topology().await;
    drop(held);
    for n in 10..20 {
        user_ids.push(world.register(&format!("user{n}")).await);
    }
    within(Duration::from_mins(1), "events are published again", async || {
        world.metric(&world.auth.url, "outbox_depth").await == 0.0
    })
    .await;
    world.all_active(&user_ids[10..]).await;
    let (code, told) = world.operate(&["replay", "--all", "--wait"]).await;
    assert_eq!(code, Some(0), "{told}");
    world.check(&user_ids).await;
    world.end().await;
}

/// Every event comes ten times more, in any order, those that are stale by then among them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_comes_ten_times_in_any_order() {
    let Some(world) = World::start().await else { return };
    let listener = world.listen_to_users().await;
    let user_ids = register_all(&world, 10).await;
    for user_id in &user_ids {
        let (status, _) = world.allocate(user_id, 10, "once").await.expect("an answer");
        assert_eq!(status, 201);
    }
    world.deactivate(&user_ids[0]).await;
    world.check_statuses(&[(&user_ids[0], "suspended")]).await;
    world.all_active(&user_ids[1..]).await;
    let mut heard = Vec::new();
    within(Duration::from_secs(20), "every event was heard", async || {
        heard.extend(listener.take().await);
        heard.len() >= 11
    })
    .await;
    let message = |heard: &accrue_testkit::Heard| Message {
        id: heard.message_id.as_deref().and_then(|id| Uuid::parse_str(id).ok()).expect("ours have ids"),
        routing_key: heard.routing_key.clone(),
        content_type: "application/cloudevents+json".to_owned(),
        body: heard.body.clone(),
        traceparent: None,
    };
    let mut messages: Vec<Message> = (0..10).flat_map(|_| heard.iter().map(message)).collect();
    messages.shuffle(&mut StdRng::seed_from_u64(1));
    let mut publisher = world.broker().publisher(Destination::Users);
    publisher.connect().await.expect("the broker is there");
    let publications = publisher.publish(&messages).await.expect("the broker is there");
    assert_eq!(publications, vec![Publication::Confirmed; messages.len()]);
    within(Duration::from_mins(1), "all of them are consumed", async || {
        world.metric(&world.accounting.url, "events_consumed_total").await >= 11.0 * 11.0
    })
    .await;
    world.check_statuses(&[(&user_ids[0], "suspended")]).await;
    world.check_books(&user_ids).await;
    for user_id in &user_ids {
        let account = world.account(user_id).await.expect("an account");
        assert_eq!(account["balance"]["available"], 10, "{user_id}");
    }
    world.end().await;
}
