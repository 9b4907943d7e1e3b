//! kill -9 at the points where a message is between two stores.

use std::time::Duration;

use accrue_testkit::{eventually, within};

use crate::proxy::Side;
use crate::world::World;

async fn register_all(world: &World, count: usize) -> Vec<String> {
    let mut user_ids = Vec::with_capacity(count);
    for n in 0..count {
        user_ids.push(world.register(&format!("user{n}")).await);
    }
    user_ids
}

/// Credits that are there before and after, for each user one allocation.
async fn allocate_all(world: &World, user_ids: &[String]) {
    for user_id in user_ids {
        let (status, _) = world.allocate(user_id, 10, "once").await.expect("an answer");
        assert_eq!(status, 201);
    }
}

async fn each_has_ten(world: &World, user_ids: &[String]) {
    for user_id in user_ids {
        let account = world.account(user_id).await.expect("an account");
        assert_eq!(account["balance"]["available"], 10, "{user_id}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn auth_dies_after_the_insert_and_before_the_publish() {
    let Some(mut world) = World::start().await else { return };
    world.links.auth_to_rabbitmq.set(|manner| manner.holds = Some(Side::Client));
    let user_ids = register_all(&world, 20).await;
    allocate_all(&world, &user_ids).await;
    let account = world.account(&user_ids[0]).await.expect("a placeholder");
    assert_eq!(account["status"], "placeholder");
    world.auth.kill();
    world.links.auth_to_rabbitmq.let_die();
    world.auth.start_again().await;
    world.check(&user_ids).await;
    each_has_ten(&world, &user_ids).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn auth_dies_after_the_publish_and_before_the_confirm() {
    let Some(mut world) = World::start().await else { return };
    world.links.auth_to_rabbitmq.set(|manner| manner.holds = Some(Side::Server));
    let user_ids = register_all(&world, 20).await;
    allocate_all(&world, &user_ids).await;
    // They got across, and auth does not know.
    world.all_active(&user_ids[..1]).await;
    world.auth.kill();
    world.links.auth_to_rabbitmq.let_die();
    world.auth.start_again().await;
    world.check(&user_ids).await;
    each_has_ten(&world, &user_ids).await;
    let consumed = world.metric(&world.accounting.url, "events_consumed_total").await;
    assert!(consumed > 20.0, "{consumed} were consumed: none was published twice");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn auth_dies_after_the_confirm_and_before_the_mark() {
    let Some(mut world) = World::start().await else { return };
    world.links.auth_to_rabbitmq.set(|manner| manner.holds = Some(Side::Server));
    let user_ids = register_all(&world, 10).await;
    world.all_active(&user_ids[..1]).await;
    world.links.auth_to_mongodb.set(|manner| manner.holds = Some(Side::Client));
    world.links.auth_to_rabbitmq.heal();
    within(Duration::from_secs(20), "the confirms have come", async || {
        world.metric(&world.auth.url, "outbox_confirmed_total").await > 0.0
    })
    .await;
    world.auth.kill();
    world.links.auth_to_mongodb.let_die();
    world.auth.start_again().await;
    world.check(&user_ids).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accounting_dies_after_the_commit_and_before_the_ack() {
    let Some(mut world) = World::start().await else { return };
    world.links.accounting_to_rabbitmq.set(|manner| manner.holds = Some(Side::Client));
    let user_ids = register_all(&world, 8).await;
    // Its ack is on the way, and does not arrive.
    world.all_active(&user_ids[..1]).await;
    allocate_all(&world, &user_ids).await;
    world.accounting.kill();
    world.links.accounting_to_rabbitmq.let_die();
    world.accounting.start_again().await;
    world.check(&user_ids).await;
    // Since it was started again it has seen them all, the first one too.
    eventually("they came again, and changed nothing", async || {
        world.metric(&world.accounting.url, "events_consumed_total").await >= 8.0
    })
    .await;
    each_has_ten(&world, &user_ids).await;
    world.end().await;
}
