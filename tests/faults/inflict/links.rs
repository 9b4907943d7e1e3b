//! Links that hold, cut, delay, or let one byte through at a time.

use std::time::Duration;

use crate::dice::Dice;
use crate::inflict::hold_for;
use crate::proxy::{Flow, Link};
use crate::run::Run;

/// One of the links, some of them, or all.
fn some<'a>(mut links: Vec<&'a Link>, dice: &mut Dice) -> Vec<&'a Link> {
    dice.shuffle(&mut links);
    let count = dice.place(links.len()) + 1;
    links.truncate(count);
    links
}

async fn hold(run: &mut Run<'_>, flow: Flow, time: Duration) {
    let links = some(run.system.links(None), &mut run.dice);
    for link in &links {
        link.set_both(flow);
    }
    hold_for(time).await;
    for link in &links {
        link.set_both(Flow::Pass);
    }
}

/// Nothing goes through and nothing is said of it.
pub(super) async fn partition(run: &mut Run<'_>) {
    let time = run.dice.millis(3000..14_000);
    hold(run, Flow::Hold, time).await;
}

pub(super) async fn slow(run: &mut Run<'_>) {
    let time = run.dice.millis(2000..6000);
    hold(run, Flow::Delay(Duration::from_millis(500)), time).await;
}

pub(super) async fn drip(run: &mut Run<'_>) {
    let time = run.dice.millis(2000..5000);
    hold(run, Flow::Drip, time).await;
}

pub(super) async fn reset(run: &mut Run<'_>) {
    for _ in 0..run.dice.among(4..12) {
        for link in some(run.system.links(None), &mut run.dice) {
            link.reset();
        }
        hold_for(run.dice.millis(50..800)).await;
    }
}

/// Servers accept, and never answer a handshake.
pub(super) async fn half_open(run: &mut Run<'_>) {
    let links = some(run.system.links(None), &mut run.dice);
    for link in &links {
        link.set_both(Flow::Hold);
        link.reset();
    }
    hold_for(run.dice.millis(2000..6000)).await;
    for link in &links {
        link.set_both(Flow::Pass);
        link.reset();
    }
}
