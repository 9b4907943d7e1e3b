//! Reservations, and what falls due by itself.

use std::sync::Arc;

use accrue_accounting::ledger::{
    Action, AllocationStatus, Capture, Command, Cost, EntryKind, OnShortfall, Policies, Rejection,
    ReservationStatus, Reserve,
};
use accrue_accounting::store::AccountFilter;
use accrue_accounting::{Batcher, Sweep};
use accrue_chassis::lifecycle::Lifecycle;
use accrue_events::user::UserStatus;
use serde_json::Value;
use time::Duration;
use uuid::Uuid;

use crate::fixture::{
    Fixture, NOON, account, allocate, allocate_until, booked, check_books, entries, keyed, post, registered,
    snapshot, spend,
};

/// A reservation, with its id.
pub(crate) fn reserve(user_id: &str, key: &str, credits: i64, minutes: i64) -> (Command, Uuid) {
    let order = Reserve {
        reservation_id: Uuid::now_v7(),
        cost: Cost::Credits(credits),
        expires_in_s: minutes * 60,
        resource: Some("stream".to_owned()),
        metadata: Some(serde_json::json!({"session": 1})),
    };
    let id = order.reservation_id;
    (keyed(user_id, key, credits, Action::Reserve(order)), id)
}

pub(crate) fn capture(user_id: &str, key: &str, reservation_id: Uuid, credits: Option<i64>) -> Command {
    let on_shortfall = OnShortfall::Cap;
    let (usage_id, cost) = (Uuid::now_v7(), credits.map(Cost::Credits));
    let order = Capture { reservation_id, usage_id, cost, on_shortfall };
    keyed(user_id, key, credits.unwrap_or(0), Action::Capture(order))
}

pub(crate) async fn a_reservation_is_held_captured_and_refunded(fixture: Fixture) {
    let (store, clock) = fixture.store_at_noon().await;
    post(&store, allocate_until("u1", "a", 30, NOON + Duration::minutes(30))).await.expect("room");
    post(&store, allocate("u1", "b", 50)).await.expect("room");
    let (order, id) = reserve("u1", "r1", 40, 60);
    let (other, other_id) = reserve("u1", "r2", 5, 60);
    let (third, third_id) = reserve("u1", "r3", 5, 60);
    for command in [order, other, third] {
        post(&store, command).await.expect("enough");
    }
    let state = account(&store, "u1").await.account;
    assert_eq!((state.available, state.reserved), (30, 50));
    let refused = post(&store, spend("u1", "s", 31)).await;
    assert_eq!(refused, Err(Rejection::InsufficientCredits { available: 30, required: 31 }));
    let held = store.reservation("u1", id).await.expect("readable").expect("there");
    assert_eq!((held.status, held.credits, held.draws.len()), (ReservationStatus::Held, 40, 2));
    assert_eq!((held.expires_at, held.resource.as_deref()), (NOON + Duration::hours(1), Some("stream")));

    // Closed or not, what was held before can be captured; the rest of it comes back.
    clock.advance(Duration::minutes(45));
    post(&store, registered("u1", 1)).await.expect("applied");
    let closed = Command::apply_user(snapshot("u1", 2, UserStatus::Deleted), Uuid::now_v7());
    post(&store, closed).await.expect("applied");
    let extend = Action::Extend { reservation_id: id, expires_in_s: 60 };
    assert_eq!(post(&store, keyed("u1", "x", 0, extend)).await, Err(Rejection::AccountClosed));
    let reply = booked(post(&store, capture("u1", "c1", id, Some(25))).await);
    let body: Value = serde_json::from_slice(&reply.body).expect("JSON");
    assert_eq!((&body["usage"]["credits"], &body["balance"]["available"]), (&25.into(), &40.into()));
    let captured = store.reservation("u1", id).await.expect("readable").expect("there");
    assert_eq!(captured.status, ReservationStatus::Captured);
    let usage = store.usage("u1", captured.usage_id.expect("one")).await.expect("readable").expect("there");
    assert_eq!((usage.reservation_id, usage.metadata), (Some(id), captured.metadata));
    // 5 that came back went to an allocation that had ended.
    assert_eq!(
        entries(&store, "u1").await.last().map(|one| (one.kind, one.credits)),
        Some((EntryKind::Expiry, -5))
    );

    // More than is held cannot be drawn from a closed account: it stays uncollected.
    let reply = booked(post(&store, capture("u1", "c2", other_id, Some(8))).await);
    let body: Value = serde_json::from_slice(&reply.body).expect("JSON");
    assert_eq!((&body["usage"]["credits"], &body["usage"]["uncollected"]), (&5.into(), &3.into()));
    post(&store, keyed("u1", "l", 0, Action::Release { reservation_id: third_id })).await.expect("held");
    let again = post(&store, capture("u1", "c3", third_id, None)).await;
    assert_eq!(again, Err(Rejection::ReservationEnded { status: ReservationStatus::Released }));
    check_books(&store, "u1").await;
    let page = store.reservations("u1", None, 2).await.expect("readable");
    assert_eq!(page.iter().map(|one| one.id).collect::<Vec<_>>(), [third_id, other_id]);
    let rest = store.reservations("u1", Some(other_id), 2).await.expect("readable");
    assert_eq!(rest.iter().map(|one| one.id).collect::<Vec<_>>(), [id]);
}

pub(crate) async fn what_is_due_shows_before_it_is_booked(fixture: Fixture) {
    let (store, clock) = fixture.store_at_noon().await;
    let first = allocate_until("u1", "a", 30, NOON + Duration::minutes(20));
    post(&store, first).await.expect("room");
    let mut later = allocate("u1", "b", 100);
    let Action::Allocate(order) = &mut later.action else { panic!("an allocation") };
    order.effective_at = Some(NOON + Duration::minutes(30));
    let later_id = order.allocation_id;
    post(&store, later).await.expect("room");
    let (order, id) = reserve("u1", "r", 10, 25);
    post(&store, order).await.expect("enough");
    let shown = async |minutes: i64| {
        clock.advance(Duration::minutes(minutes));
        let alone = account(&store, "u1").await.account;
        let listed = store.accounts(&AccountFilter::default(), None, 10).await.expect("readable");
        assert_eq!(listed[0].account, alone);
        (alone.available, alone.reserved, alone.pending)
    };
    let status = async || store.reservation("u1", id).await.expect("readable").expect("there").status;
    assert_eq!(shown(0).await, (20, 10, 100));
    assert_eq!(shown(20).await, (0, 10, 100));
    assert_eq!(status().await, ReservationStatus::Held);
    // What comes back from the reservation comes back to an allocation that has ended.
    assert_eq!(shown(5).await, (0, 0, 100));
    assert_eq!(status().await, ReservationStatus::Expired);
    assert_eq!(
        store.reservations("u1", None, 9).await.expect("readable")[0].status,
        ReservationStatus::Expired
    );
    assert_eq!(shown(5).await, (100, 0, 0));
    let allocation = store.allocation("u1", later_id).await.expect("readable").expect("there");
    assert_eq!(allocation.allocation.status(allocation.at), AllocationStatus::Open);
    assert_eq!(store.allocations("u1", None, 9).await.expect("readable")[0], allocation);
    assert_eq!(entries(&store, "u1").await.len(), 2, "reading books nothing");
    post(&store, spend("u1", "s", 60)).await.expect("enough");
    let due: Vec<_> = entries(&store, "u1").await[2..]
        .iter()
        .map(|one| (one.kind, one.credits, (one.recorded_at - NOON).whole_minutes()))
        .collect();
    let expected = [
        (EntryKind::Expiry, -20, 20),
        (EntryKind::Release, 0, 25),
        (EntryKind::Expiry, -10, 25),
        (EntryKind::Allocation, 100, 30),
        (EntryKind::Usage, -60, 30),
    ];
    assert_eq!(due, expected);
    check_books(&store, "u1").await;
}

pub(crate) async fn the_sweep_books_what_is_due(fixture: Fixture) {
    let (store, clock) = fixture.store_at_noon().await;
    let users: Vec<String> = (0..150).map(|user| format!("u{user:03}")).collect();
    let orders: Vec<Command> =
        users.iter().map(|user_id| allocate_until(user_id, "a", 7, NOON + Duration::minutes(10))).collect();
    store.post(&orders, Policies::DEFAULT).await.expect("posted");
    let (order, _) = reserve("held", "r", 5, 10);
    post(&store, allocate("held", "a", 5)).await.expect("room");
    post(&store, order).await.expect("enough");
    let lifecycle = Lifecycle::new();
    let sweep = || {
        let batcher = Batcher::start(&store, Policies::DEFAULT, &lifecycle);
        Sweep::new(Arc::clone(&store), batcher)
    };
    let (one, other) = (sweep(), sweep());
    assert_eq!(one.run_once().await.expect("swept"), 0);
    clock.advance(Duration::minutes(10));
    // Two processes' sweeps at once do no harm.
    let (swept, too) = futures_util::future::join(one.run_once(), other.run_once()).await;
    assert!(swept.expect("swept") + too.expect("swept") >= 151);
    assert_eq!(one.run_once().await.expect("swept"), 0);
    for user_id in &users {
        let kinds: Vec<_> = entries(&store, user_id).await.iter().map(|entry| entry.kind).collect();
        assert_eq!(kinds, [EntryKind::Allocation, EntryKind::Expiry], "{user_id}");
        check_books(&store, user_id).await;
    }
    let state = account(&store, "held").await.account;
    assert_eq!((state.available, state.reserved, state.next_due_at), (5, 0, None));
    assert!(lifecycle.drain(std::time::Duration::from_secs(5)).await, "the lanes ended");
}

/// So much has run out while nobody looked that it is booked in steps, and shows at once.
pub(crate) async fn very_much_that_is_due_is_booked_in_steps(fixture: Fixture) {
    const HELD: usize = 4_500;
    let (store, clock) = fixture.store_at_noon().await;
    post(&store, allocate("u1", "a", 10_000)).await.expect("room");
    let held: Vec<Command> = (0..HELD).map(|i| reserve("u1", &format!("r{i}"), 2, 5).0).collect();
    for some in held.chunks(250) {
        let posted = store.post(some, Policies::DEFAULT).await.expect("posted");
        assert!(posted.iter().all(Result::is_ok), "{posted:?}");
    }
    clock.advance(Duration::minutes(10));
    let shown = account(&store, "u1").await.account;
    assert_eq!((shown.available, shown.reserved), (10_000, 0));
    // What comes meanwhile is to come again, and disturbs nobody.
    let batch = [spend("u1", "s", 9_999), allocate("u2", "a", 1)];
    let posted = store.post(&batch, Policies::DEFAULT).await.expect("posted");
    assert_eq!(posted[0], Err(Rejection::AccountBusy));
    assert!(posted[1].is_ok(), "{posted:?}");
    let lifecycle = Lifecycle::new();
    let sweep = Sweep::new(Arc::clone(&store), Batcher::start(&store, Policies::DEFAULT, &lifecycle));
    assert_eq!(sweep.run_once().await.expect("looked for"), 1);
    post(&store, spend("u1", "s", 9_999)).await.expect("all of it is back");
    check_books(&store, "u1").await;
    assert!(lifecycle.drain(std::time::Duration::from_secs(5)).await, "the lanes ended");
}
