//! Processes that are killed, frozen, ended nicely, or wrong about the time.

use std::path::Path;
use std::time::Duration;

use accrue_testkit::within;

use crate::inflict::hold_for;
use crate::member::{Member, Service};
use crate::proxy::Flow;
use crate::run::Run;
use crate::system::Stores;

/// More often than a message may be delivered.
const CRASHES: usize = 25;
/// Users whose events are in hand when accounting crashes.
const IN_HAND: usize = 12;
/// Longer than the lease of a relay.
const PAST_THE_LEASE: Duration = Duration::from_secs(12);

pub(super) async fn accounting(run: &mut Run<'_>) {
    kill_each(run, Service::Accounting).await;
}

pub(super) async fn auth(run: &mut Run<'_>) {
    kill_each(run, Service::Auth).await;
}

/// One process at random, three times, then both.
async fn kill_each(run: &mut Run<'_>, service: Service) {
    for _ in 0..3 {
        let mut members = run.system.members(service);
        let place = run.dice.place(members.len());
        members[place].kill();
        hold_for(run.dice.millis(0..1200)).await;
        run.system.restart(service);
        hold_for(run.dice.millis(300..1500)).await;
    }
    run.system.kill(service);
    hold_for(run.dice.millis(0..1200)).await;
}

/// Processes are killed while every step of theirs takes long, so that they die between two of them.
pub(super) async fn in_slow_motion(run: &mut Run<'_>) {
    run.end_load().await;
    let before = run.manner.clone();
    run.manner.clients = 16;
    run.begin_load();
    for _ in 0..3 {
        let late = run.dice.millis(80..250);
        for link in run.system.links(None) {
            link.set_both(Flow::Delay(late));
        }
        hold_for(run.dice.millis(1500..3000)).await;
        for service in Service::BOTH {
            run.system.kill(service);
        }
        for link in run.system.links(None) {
            link.reset();
        }
        run.system.heal().await;
    }
    run.end_load().await;
    run.manner = before;
    run.begin_load();
}

/// Each process ends as it is asked to, and comes again.
pub(super) async fn rolling_restart(run: &mut Run<'_>) {
    for service in Service::BOTH {
        for number in 0..run.system.members(service).len() {
            let mut members = run.system.members(service);
            members[number].terminate().await;
            members[number].start();
            run.system.becomes(service, number, 200, "ready").await;
        }
    }
}

/// accounting dies again and again with all in hand that it takes at once. Each time charges every
/// message that was in hand, so innocent ones end as dead letters: a redrive brings them back.
pub(super) async fn crash_loop(run: &mut Run<'_>) {
    let paused = run.load().pause().await;
    crate::settling::drained(&run.system).await;
    // Afresh: where a fault before broke their subscriptions they would take one message at a time.
    run.system.kill(Service::Accounting);
    run.system.heal().await;
    let Stores::Servers(stores) = &run.system.stores else { panic!("a fault of two services") };
    // It reads, so that it subscribes, and cannot write.
    let held = stores.1.hold("accounts").await;
    for number in 0..IN_HAND {
        let registered = run.registered(&format!("crash{number}")).await;
        run.history.push(registered);
    }
    crate::settling::published(&run.system).await;
    for _ in 0..CRASHES {
        within(Duration::from_secs(20), "it has deliveries in hand, or none is left", async || {
            run.system.depth().await.is_some_and(|depth| depth.queue <= 2)
        })
        .await;
        run.system.kill(Service::Accounting);
        run.system.restart(Service::Accounting);
        hold_for(Duration::from_millis(150)).await;
    }
    drop(held);
    within(Duration::from_mins(1), "some were delivered too often", async || {
        run.system.depth().await.is_some_and(|depth| depth.queue == 0 && depth.dead_letters > 0)
    })
    .await;
    run.needs_redrive = true;
    drop(paused);
}

/// Frozen for longer than a lease, with events in hand, and then they go on.
pub(super) async fn stop_past_the_lease(run: &mut Run<'_>) {
    let all = run.dice.percent(50);
    for service in Service::BOTH {
        let members = run.system.members(service);
        let count = if all { members.len() } else { 1 };
        members.iter().take(count).for_each(|member| member.signal("STOP"));
    }
    hold_for(PAST_THE_LEASE).await;
    run.system.all_members().for_each(|member| member.signal("CONT"));
}

/// One process of each service is an hour ahead, or behind, and then ten minutes: by so much tokens are
/// still taken, so that it books too.
pub(super) async fn clock(run: &mut Run<'_>) {
    let library = fake_clock().expect("the plan leaves this fault out where it is not there");
    let sign = if run.dice.percent(50) { "+" } else { "-" };
    for seconds in [3600, 600] {
        let shift = format!("{sign}{seconds}s");
        let settings =
            [("LD_PRELOAD", library.as_str()), ("FAKETIME", &shift), ("FAKETIME_DONT_FAKE_MONOTONIC", "1")];
        for service in Service::BOTH {
            last_member(run, service).kill();
            last_member(run, service).start_with(&settings);
        }
        let registered = run.registered(&format!("clock{seconds}")).await;
        run.history.push(registered);
        hold_for(run.dice.millis(3000..6000)).await;
    }
    for service in Service::BOTH {
        last_member(run, service).kill();
    }
}

fn last_member<'a>(run: &'a mut Run<'_>, service: Service) -> &'a mut Member {
    run.system.members(service).pop().expect("there is one")
}

/// The library that shifts clocks, where Debian puts it.
pub(crate) fn fake_clock() -> Option<String> {
    let path = format!("/usr/lib/{}-linux-gnu/faketime/libfaketime.so.1", std::env::consts::ARCH);
    Path::new(&path).exists().then_some(path)
}
