//! Clients that hang up half-way, or all want the same at once.

use crate::inflict::last;
use crate::run::Run;

/// Most clients hang up before they have an answer, and ask again.
pub(super) async fn half_way(run: &mut Run<'_>) {
    run.end_load().await;
    let before = run.manner.clone();
    run.manner.hangs_up = 70;
    run.begin_load();
    last(run.dice.millis(2000..5000)).await;
    run.end_load().await;
    run.manner = before;
    run.begin_load();
}

/// Many clients spend from the same accounts, and each asks two processes at once.
pub(super) async fn hammer(run: &mut Run<'_>) {
    run.end_load().await;
    let before = run.manner.clone();
    run.manner.clients = 12;
    run.manner.doubles = 60;
    run.manner.shares = 85;
    run.begin_load();
    last(run.dice.millis(3000..6000)).await;
    run.end_load().await;
    run.manner = before;
    run.begin_load();
}
