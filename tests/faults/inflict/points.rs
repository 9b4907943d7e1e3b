//! kill -9 where an event is between two stores, or acked beside one that is not: points that links and
//! locks show, see `docs/decisions/0019-faults-come-over-the-links.md`.

use accrue_testkit::eventually;

use crate::load::Paused;
use crate::member::Service;
use crate::operation::{Kind, Operation};
use crate::proxy::{Flow, Link, Way};
use crate::run::Run;
use crate::settling::drained;
use crate::system::{Stores, System};

/// Waits until nothing is under way, so that what happens next is the fault's own doing.
async fn quiet(run: &Run<'_>) -> Paused {
    let paused = run.load().pause().await;
    drained(&run.system).await;
    paused
}

fn set(links: Vec<&Link>, way: Way, flow: Flow) {
    for link in links {
        link.set(way, flow);
    }
}

/// Registers users, who are acknowledged; credits come before the event if it does not get through.
async fn register(run: &mut Run<'_>) -> Vec<String> {
    let mut user_ids = Vec::new();
    for number in 0..run.dice.among(3..9) {
        let registered = run.registered(&format!("point{number}")).await;
        let user_id = registered.user_id.clone().expect("it was acknowledged");
        let key = format!("{}-point-{number}", run.manner.name);
        let mut allocate = Operation::allocate(&user_id, 10, key);
        allocate.send(&run.system.target, 0).await;
        run.history.extend([registered, allocate]);
        user_ids.push(user_id);
    }
    user_ids
}

async fn await_status(system: &System, user_id: &str, status: &str) {
    eventually(&format!("the account is {status}"), async || {
        system.account(user_id).await["status"] == status
    })
    .await;
}

fn die(run: &mut Run<'_>, service: Service) {
    run.system.kill(service);
    for link in run.system.links(Some(service)) {
        link.reset();
    }
}

/// The user is there and nothing of the event has left auth.
pub(super) async fn after_insert(run: &mut Run<'_>) {
    let paused = quiet(run).await;
    set(run.system.broker_links(Service::Auth), Way::ToServer, Flow::Hold);
    for user_id in register(run).await {
        await_status(&run.system, &user_id, "placeholder").await;
    }
    die(run, Service::Auth);
    drop(paused);
}

/// The event was consumed, and auth has no confirm of it.
pub(super) async fn after_publish(run: &mut Run<'_>) {
    let paused = quiet(run).await;
    let before = run.system.total(Service::Auth, "outbox_confirmed_total").await;
    set(run.system.broker_links(Service::Auth), Way::ToProcess, Flow::Hold);
    let user_ids = register(run).await;
    await_status(&run.system, &user_ids[0], "active").await;
    let confirmed = run.system.total(Service::Auth, "outbox_confirmed_total").await;
    assert!(confirmed <= before, "a confirm got through what is held");
    let consumed = run.system.total(Service::Accounting, "events_consumed_total").await;
    die(run, Service::Auth);
    run.system.heal().await;
    eventually("it is published again, and consumed again", async || {
        run.system.total(Service::Accounting, "events_consumed_total").await > consumed
    })
    .await;
    drop(paused);
}

/// auth has the confirm, and cannot write that down.
pub(super) async fn after_confirm(run: &mut Run<'_>) {
    let paused = quiet(run).await;
    set(run.system.broker_links(Service::Auth), Way::ToProcess, Flow::Hold);
    let user_ids = register(run).await;
    await_status(&run.system, &user_ids[0], "active").await;
    let before = run.system.total(Service::Auth, "outbox_confirmed_total").await;
    set(run.system.database_links(Service::Auth), Way::ToServer, Flow::Hold);
    set(run.system.broker_links(Service::Auth), Way::ToProcess, Flow::Pass);
    eventually("the confirm gets there", async || {
        run.system.total(Service::Auth, "outbox_confirmed_total").await > before
    })
    .await;
    die(run, Service::Auth);
    drop(paused);
}

/// One event cannot be written, those after it are, and then accounting dies: what was acked must not
/// have been more than what was written.
pub(super) async fn beside_one_stuck(run: &mut Run<'_>) {
    let paused = quiet(run).await;
    let stuck = run.registered("stuck").await;
    let user_id = stuck.user_id.clone().expect("it was acknowledged");
    run.history.push(stuck);
    await_status(&run.system, &user_id, "active").await;
    let Stores::Servers(stores) = &run.system.stores else { panic!("a fault of two services") };
    let held = stores.1.hold_account(&user_id).await;
    let mut deactivate = Operation::administer(Kind::Deactivate, &user_id);
    deactivate.send(&run.system.target, 0).await;
    run.history.push(deactivate);
    for later in register(run).await {
        await_status(&run.system, &later, "active").await;
    }
    die(run, Service::Accounting);
    drop(held);
    run.system.heal().await;
    await_status(&run.system, &user_id, "suspended").await;
    drop(paused);
}

/// The account is active, and the broker has no ack.
pub(super) async fn after_commit(run: &mut Run<'_>) {
    let paused = quiet(run).await;
    set(run.system.broker_links(Service::Accounting), Way::ToServer, Flow::Hold);
    let user_ids = register(run).await;
    await_status(&run.system, &user_ids[0], "active").await;
    die(run, Service::Accounting);
    run.system.heal().await;
    // Counters began at 0 with the processes.
    eventually("they come again", async || {
        run.system.total(Service::Accounting, "events_consumed_total").await >= 1.0
    })
    .await;
    drop(paused);
}
