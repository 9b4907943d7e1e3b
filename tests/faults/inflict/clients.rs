//! Clients that hang up half-way, or all want the same at once.

use std::collections::BTreeSet;

use accrue_testkit::Listener;

use crate::inflict::hold_for;
use crate::run::Run;
use crate::system::Stores;

/// Most clients hang up before they have an answer, and ask again.
pub(super) async fn half_way(run: &mut Run<'_>) {
    run.end_load().await;
    let before = run.manner.clone();
    run.manner.hangs_up_percent = 70;
    run.begin_load();
    hold_for(run.dice.millis(2000..5000)).await;
    run.end_load().await;
    run.manner = before;
    run.begin_load();
}

/// I8: where nothing fails each event is published once, however many relays there are.
async fn published_once(run: &Run<'_>, listener: &Listener) {
    crate::settling::published(&run.system).await;
    let ids: Vec<_> = listener.take().await.into_iter().filter_map(|heard| heard.message_id).collect();
    let distinct: BTreeSet<_> = ids.iter().collect();
    assert_eq!(distinct.len(), ids.len(), "I8: of {} events some were published twice", ids.len());
}

/// Many clients spend from the same accounts, and each asks two processes at once.
pub(super) async fn hammer(run: &mut Run<'_>) {
    run.end_load().await;
    crate::settling::published(&run.system).await;
    let listener = match &run.system.stores {
        Stores::Servers(stores) => Some(stores.2.listen("users", "user.#").await),
        Stores::Files(_) => None,
    };
    let before = run.manner.clone();
    run.manner.clients = 12;
    run.manner.doubles_percent = 60;
    run.manner.shares_percent = 85;
    run.begin_load();
    hold_for(run.dice.millis(3000..6000)).await;
    run.end_load().await;
    if let Some(listener) = listener {
        published_once(run, &listener).await;
    }
    run.manner = before;
    run.begin_load();
}
