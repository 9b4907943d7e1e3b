//! Links that are cut, slow, or dead half-way, under load.

use std::time::Duration;

use accrue_testkit::eventually;

use crate::proxy::Side;
use crate::world::World;

/// Registers and allocates while `fault` goes on, asks again for what was not answered, and checks
/// that each was done once.
async fn under_load(world: &World, fault: impl Future<Output = ()>) {
    let load = async {
        let mut user_ids = Vec::new();
        for n in 0..30 {
            user_ids.push(world.register(&format!("user{n}")).await);
            for user_id in user_ids.iter().rev().take(3) {
                // A timeout is one or none: the same key finds out.
                eventually("the allocation is answered", async || {
                    let key = format!("k{n}");
                    world.allocate(user_id, 1, &key).await.is_some_and(|(status, _)| status == 201)
                })
                .await;
            }
        }
        user_ids
    };
    let (user_ids, ()) = tokio::join!(load, fault);
    world.check(&user_ids).await;
    for (place, user_id) in user_ids.iter().enumerate() {
        let account = world.account(user_id).await.expect("an account");
        let expected = (user_ids.len() - place).min(3);
        assert_eq!(account["balance"]["available"], expected, "{user_id}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_reset_again_and_again() {
    let Some(world) = World::start().await else { return };
    let links = &world.links;
    let fault = async {
        for _ in 0..6 {
            for link in
                [&links.auth_to_rabbitmq, &links.accounting_to_rabbitmq, &links.accounting_to_postgres]
            {
                tokio::time::sleep(Duration::from_millis(100)).await;
                link.cut();
            }
        }
    };
    under_load(&world, fault).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_is_late() {
    let Some(world) = World::start().await else { return };
    let links = &world.links;
    let fault = async {
        let late = Duration::from_millis(50);
        links.auth_to_rabbitmq.set(|manner| manner.late_by = late * 10);
        links.accounting_to_rabbitmq.set(|manner| manner.late_by = late * 10);
        links.accounting_to_postgres.set(|manner| manner.late_by = late);
        tokio::time::sleep(Duration::from_secs(5)).await;
        for link in [&links.auth_to_rabbitmq, &links.accounting_to_rabbitmq, &links.accounting_to_postgres] {
            link.heal();
        }
    };
    under_load(&world, fault).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_handshake_is_never_answered() {
    let Some(world) = World::start().await else { return };
    let links = &world.links;
    let fault = async {
        for link in [&links.auth_to_rabbitmq, &links.accounting_to_rabbitmq] {
            link.set(|manner| manner.is_half_open = true);
            link.cut();
        }
        tokio::time::sleep(Duration::from_secs(4)).await;
        for link in [&links.auth_to_rabbitmq, &links.accounting_to_rabbitmq] {
            link.heal();
            link.cut();
        }
    };
    under_load(&world, fault).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_byte_at_a_time() {
    let Some(world) = World::start().await else { return };
    let links = &world.links;
    let fault = async {
        for link in [&links.auth_to_rabbitmq, &links.accounting_to_rabbitmq, &links.auth_to_mongodb] {
            link.set(|manner| manner.drips = true);
        }
        tokio::time::sleep(Duration::from_secs(4)).await;
        for link in [&links.auth_to_rabbitmq, &links.accounting_to_rabbitmq, &links.auth_to_mongodb] {
            link.heal();
        }
    };
    under_load(&world, fault).await;
    world.end().await;
}

/// A relay that is frozen for longer than its lease, and then goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn auth_is_frozen_past_its_lease() {
    let Some(world) = World::start().await else { return };
    world.links.auth_to_rabbitmq.set(|manner| manner.holds = Some(Side::Server));
    let mut user_ids = Vec::new();
    for n in 0..10 {
        user_ids.push(world.register(&format!("user{n}")).await);
    }
    world.all_active(&user_ids[..1]).await;
    world.auth.signal("STOP");
    tokio::time::sleep(Duration::from_secs(12)).await;
    world.auth.signal("CONT");
    world.links.auth_to_rabbitmq.heal();
    world.check(&user_ids).await;
    world.end().await;
}
