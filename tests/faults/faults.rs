//! The faults by name: what is done to a world under load, before it is healed.

use std::time::Duration;

use accrue_testkit::eventually;

use crate::load::{Operation, Outcome, Target};
use crate::proxy::{Flow, Way};
use crate::world::{Service, World};

/// Every fault, in the order in which runs take their turns.
pub(crate) const NAMES: &[&str] = &[
    "kill-accounting",
    "kill-auth",
    "after-insert-before-publish",
    "after-publish-before-confirm",
    "after-confirm-before-mark",
    "after-commit-before-ack",
    "kill-rabbitmq",
    "kill-postgres",
    "kill-mongodb",
    "stop-past-the-lease",
    "partition",
    "reset-links",
    "slow-links",
    "drip-links",
    "crash-loop",
];

/// Does the fault of that name. What it registered itself joins the history.
pub(crate) async fn inflict(name: &str, world: &mut World, run: &str) -> Vec<Operation> {
    match name {
        "kill-accounting" => kill_each(world, Service::Accounting).await,
        "kill-auth" => kill_each(world, Service::Auth).await,
        "after-insert-before-publish" => return after_insert(world, run).await,
        "after-publish-before-confirm" => return after_publish(world, run, false).await,
        "after-confirm-before-mark" => return after_publish(world, run, true).await,
        "after-commit-before-ack" => return after_commit(world, run).await,
        "kill-rabbitmq" => {
            world.rabbitmq.kill().await;
            last(2).await;
            world.rabbitmq.restart().await;
        }
        "kill-postgres" => {
            world.postgres.kill().await;
            last(2).await;
            world.postgres.restart().await;
        }
        "kill-mongodb" => {
            world.mongodb.kill().await;
            last(2).await;
            world.mongodb.restart().await;
        }
        "stop-past-the-lease" => stop_past_the_lease(world).await,
        "partition" => all_links(world, Flow::Hold, 12).await,
        "reset-links" => reset_links(world).await,
        "slow-links" => all_links(world, Flow::Delay(Duration::from_millis(500)), 5).await,
        "drip-links" => all_links(world, Flow::Drip, 5).await,
        "crash-loop" => {
            for _ in 0..25 {
                world.kill(Service::Accounting);
                world.restart(Service::Accounting);
                tokio::time::sleep(Duration::from_millis(300)).await;
            }
        }
        _ => panic!("there is no fault \"{name}\"; there are {}", NAMES.join(", ")),
    }
    Vec::new()
}

/// How long a fault holds: a part of the fault, not a wait for anything.
async fn last(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

async fn kill_each(world: &mut World, service: Service) {
    for number in [0, 1, 0] {
        world.kill_one(service, number);
        last(1).await;
        world.restart(service);
    }
    world.kill(service);
    last(1).await;
}

async fn stop_past_the_lease(world: &World) {
    for service in Service::BOTH {
        world.signal(service, "STOP");
    }
    last(12).await;
    for service in Service::BOTH {
        world.signal(service, "CONT");
    }
}

async fn all_links(world: &World, flow: Flow, seconds: u64) {
    for link in world.links() {
        link.set_both(flow);
    }
    last(seconds).await;
    for link in world.links() {
        link.set_both(Flow::Pass);
    }
}

async fn reset_links(world: &World) {
    for _ in 0..5 {
        for link in world.links() {
            link.reset();
        }
        last(1).await;
    }
}

/// Registers a user, who must be acknowledged.
async fn registered(target: &Target, run: &str) -> Operation {
    let mut operation = Operation::register(&format!("{run}-point"));
    eventually("the user is registered", async || {
        operation.send(target, 0).await;
        matches!(operation.outcome, Outcome::Done(_))
    })
    .await;
    operation
}

async fn active(world: &World, operation: &Operation) {
    let user_id = operation.user_id.as_deref().expect("it was acknowledged");
    eventually("the account is active", async || world.account(user_id).await["status"] == "active").await;
}

/// The user is there and nothing of the event has left auth.
async fn after_insert(world: &mut World, run: &str) -> Vec<Operation> {
    world.auth_to_broker.set(Way::ToServer, Flow::Hold);
    let operation = registered(world.target(), run).await;
    world.kill(Service::Auth);
    world.auth_to_broker.reset();
    vec![operation]
}

/// The event was consumed, and auth has no confirm of it, or has one and cannot write that down.
async fn after_publish(world: &mut World, run: &str, confirmed: bool) -> Vec<Operation> {
    world.auth_to_broker.set(Way::ToProcess, Flow::Hold);
    let operation = registered(world.target(), run).await;
    active(world, &operation).await;
    if confirmed {
        let before = world.auth_to_broker.passed(Way::ToProcess);
        world.auth_to_database.set(Way::ToServer, Flow::Hold);
        world.auth_to_broker.set(Way::ToProcess, Flow::Pass);
        eventually("the confirm gets there", async || world.auth_to_broker.passed(Way::ToProcess) > before)
            .await;
    }
    world.kill(Service::Auth);
    for link in world.links() {
        link.reset();
    }
    vec![operation]
}

/// The account is active, and the broker has no ack.
async fn after_commit(world: &mut World, run: &str) -> Vec<Operation> {
    world.accounting_to_broker.set(Way::ToServer, Flow::Hold);
    let operation = registered(world.target(), run).await;
    active(world, &operation).await;
    world.kill(Service::Accounting);
    world.accounting_to_broker.reset();
    vec![operation]
}
