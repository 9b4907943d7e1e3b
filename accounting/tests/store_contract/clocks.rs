//! Processes whose clocks are wrong, on one server: its clock is everybody's.

use std::sync::Arc;
use std::time::Duration as Lease;

use accrue_accounting::ledger::{EntryKind, ReservationStatus};
use accrue_chassis::clock::{Clock, SystemClock};
use time::{Duration, OffsetDateTime};

use crate::fixture::{Fixture, account, allocate_until, entries, post, post_with, registered};
use crate::holding::reserve;
use crate::outbox::TELLING;

/// The machine's clock, wrong by so much.
struct WrongBy(Duration);

impl Clock for WrongBy {
    fn now(&self) -> OffsetDateTime {
        SystemClock.now() + self.0
    }
}

#[tokio::test]
async fn a_wrong_clock_ends_nothing_before_its_time() {
    let Some(fixture) = Fixture::postgres().await else { return };
    let right = fixture.store().await;
    let end = SystemClock.now() + Duration::minutes(30);
    post(&right, allocate_until("u1", "a", 100, end)).await.expect("room");
    let (order, id) = reserve("u1", "r", 40, 20);
    post(&right, order).await.expect("enough");
    for (wrong_by, key) in [(Duration::HOUR, "ahead"), (-Duration::HOUR, "behind")] {
        let wrong = fixture.store_at(Arc::new(WrongBy(wrong_by))).await;
        let now = wrong.now().await.expect("told");
        assert!((now - SystemClock.now()).abs() < Duration::MINUTE, "{key}");
        assert!(wrong.due_accounts(None, 10).await.expect("readable").is_empty(), "{key}");
        let seen = account(&wrong, "u1").await.account;
        assert_eq!(seen, account(&right, "u1").await.account, "{key}");
        let allocations = wrong.allocations("u1", None, 10).await.expect("readable");
        assert!(allocations.iter().all(|one| one.allocation.remaining > 0), "{key}");

        // What it books is not of another time either, and what it holds is held as long as asked.
        let (order, other_id) = reserve("u1", key, 5, 20);
        post(&wrong, order).await.expect("enough");
        post(&wrong, registered("u1", 1)).await.expect("applied");
        assert!(right.due_accounts(None, 10).await.expect("readable").is_empty(), "{key}");
        for id in [id, other_id] {
            let held = right.reservation("u1", id).await.expect("readable").expect("there");
            assert_eq!(held.status, ReservationStatus::Held, "{key}");
            let left = held.expires_at - SystemClock.now();
            assert!((Duration::minutes(19)..Duration::minutes(21)).contains(&left), "{key}: {left} left");
        }
    }
    let state = account(&right, "u1").await.account;
    assert_eq!((state.available, state.reserved), (50, 50));
    let booked = entries(&right, "u1").await;
    let kinds: Vec<EntryKind> = booked.iter().map(|entry| entry.kind).collect();
    let held = EntryKind::Reservation;
    assert_eq!(kinds, [EntryKind::Allocation, held, held, held]);
    assert!(booked.iter().all(|entry| (SystemClock.now() - entry.recorded_at).abs() < Duration::minutes(5)));
}

#[tokio::test]
async fn a_wrong_clock_takes_nobody_s_lease() {
    let Some(fixture) = Fixture::postgres().await else { return };
    let right = fixture.store().await;
    let end = SystemClock.now() + Duration::minutes(30);
    post_with(&right, allocate_until("u1", "a", 5, end), TELLING).await.expect("room");
    let claim = right.claim(10, Lease::from_mins(1)).await.expect("a claim");
    assert_eq!(claim.entries.len(), 1);
    for wrong_by in [Duration::HOUR, -Duration::HOUR] {
        let wrong = fixture.store_at(Arc::new(WrongBy(wrong_by))).await;
        let taken = wrong.claim(10, Lease::from_mins(1)).await.expect("a claim").entries;
        assert!(taken.is_empty(), "by a clock that is wrong by {wrong_by}");
    }
}
