//! Servers that are killed, a disk that is full, and locks that nobody lets go.

use std::time::{Duration, Instant};

use accrue_testkit::eventually;

use crate::inflict::hold_for;
use crate::member::Service;
use crate::operation::Operation;
use crate::proxy::{Flow, Way};
use crate::run::Run;
use crate::system::Stores;

/// Longer than it takes to see that a server is gone.
const OUTAGE: std::ops::Range<u64> = 1500..4000;

/// Registering and allocating go on without it.
pub(super) async fn kill_rabbitmq(run: &mut Run<'_>) {
    let servers = run.servers();
    servers.rabbitmq.kill().await;
    for service in Service::BOTH {
        run.system.becomes(service, 0, 200, "degraded").await;
    }
    let registered = run.registered("without-broker").await;
    let user_id = registered.user_id.clone().expect("it was acknowledged");
    let key = format!("{}-without-broker", run.manner.name);
    let mut allocate = Operation::allocate(&user_id, 10, key);
    allocate.send(&run.system.target, 0).await;
    assert!(allocate.is_done(), "I10: {} without a broker", allocate.name());
    run.history.extend([registered, allocate]);
    hold_for(run.dice.millis(OUTAGE)).await;
    servers.rabbitmq.restart().await;
}

pub(super) async fn kill_postgres(run: &mut Run<'_>) {
    let servers = run.servers();
    servers.postgres.kill().await;
    run.system.becomes(Service::Accounting, 0, 503, "unavailable").await;
    run.system.becomes(Service::Auth, 0, 200, "ready").await;
    hold_for(run.dice.millis(OUTAGE)).await;
    servers.postgres.restart().await;
}

pub(super) async fn kill_mongodb(run: &mut Run<'_>) {
    let servers = run.servers();
    servers.mongodb.kill().await;
    run.system.becomes(Service::Auth, 0, 503, "unavailable").await;
    run.system.becomes(Service::Accounting, 0, 200, "ready").await;
    hold_for(run.dice.millis(OUTAGE)).await;
    servers.mongodb.restart().await;
}

/// A process is frozen in the middle of a transaction. The others go on with other accounts, and with
/// its accounts once the database has ended what it left open, or it has.
pub(super) async fn stop_with_row_locks(run: &mut Run<'_>) {
    let links = run.system.database_links(Service::Accounting);
    links[0].set(Way::ToProcess, Flow::Hold);
    let Stores::Servers(stores) = &run.system.stores else { panic!("a fault of two services") };
    eventually("a transaction is open", async || stores.1.idle_transactions().await > 0).await;
    run.system.members(Service::Accounting)[0].signal("STOP");
    // As a whole, since who asks it meanwhile waits as long, and is to have an answer in time.
    let end = Instant::now() + run.dice.millis(2000..12_000);
    run.system.database_links(Service::Accounting)[0].set(Way::ToProcess, Flow::Pass);
    let registered = run.registered("beside-locks").await;
    let user_id = registered.user_id.clone().expect("it was acknowledged");
    let mut allocate = Operation::allocate(&user_id, 10, format!("{}-beside-locks", run.manner.name));
    eventually("the other process goes on", async || {
        allocate.send(&run.system.target, 1).await;
        allocate.is_done()
    })
    .await;
    run.history.extend([registered, allocate]);
    hold_for(end.saturating_duration_since(Instant::now())).await;
    run.system.members(Service::Accounting)[0].signal("CONT");
}

/// PostgreSQL has no room for anything, then somebody makes some.
pub(super) async fn disk_full(run: &mut Run<'_>) {
    let servers = run.servers();
    servers.fill_disk();
    let registered = run.registered("full").await;
    let user_id = registered.user_id.clone().expect("it was acknowledged");
    run.history.push(registered);
    let mut number = 0;
    eventually("something cannot be written", async || {
        number += 1;
        let key = format!("{}-full-{number}", run.manner.name);
        let mut allocate = Operation::allocate(&user_id, 1, key);
        allocate.send(&run.system.target, number).await;
        let is_written = allocate.is_done();
        run.history.push(allocate);
        !is_written
    })
    .await;
    hold_for(run.dice.millis(3000..6000)).await;
    servers.clear_disk();
    // It may have ended itself: what it cannot log it does not do.
    if tokio::time::timeout(Duration::from_secs(5), servers.postgres.answers()).await != Ok(true) {
        servers.postgres.kill().await;
        servers.postgres.restart().await;
    }
}
