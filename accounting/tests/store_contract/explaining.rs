//! Balances explained: what every allocation came to, now and at instants that have passed.

use std::sync::Arc;

use accrue_accounting::ledger::{
    Action, Adjust, AllocationStatus, BalanceView, Command, Correction, Cost, Parts, Policies, Transfer, Use,
};
use accrue_accounting::store::{EntryFilter, ExplainedBalance, LedgerStore};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::fixture::{
    Fixture, NOON, account, allocate, allocate_until, check_books, entries, keyed, post, spend,
};
use crate::holding::reserve;

async fn explain(store: &Arc<dyn LedgerStore>, at: OffsetDateTime) -> ExplainedBalance {
    store.balance("u1", at, None, 100).await.expect("readable").expect("there is such an account")
}

fn id_of(command: &Command) -> Uuid {
    match &command.action {
        Action::Allocate(order) => order.allocation_id,
        Action::Use(order) => order.usage_id,
        other => panic!("makes nothing: {other:?}"),
    }
}

fn allocate_from(key: &str, credits: i64, begin: OffsetDateTime) -> Command {
    let mut command = allocate("u1", key, credits);
    if let Action::Allocate(order) = &mut command.action {
        order.effective_at = Some(begin);
    }
    command
}

fn void(key: &str, allocation_id: Uuid) -> Command {
    keyed("u1", key, 0, Action::Void { allocation_id, reason: None })
}

fn minute(minutes: i64) -> OffsetDateTime {
    NOON + Duration::minutes(minutes)
}

/// What one allocation of `id` came to.
fn parts(explained: &ExplainedBalance, id: Uuid) -> (AllocationStatus, Parts) {
    let found = explained.allocations.iter().find(|one| one.allocation.id == id).expect("on this page");
    (found.status, found.parts)
}

pub(crate) async fn a_balance_is_explained_at_every_instant(fixture: Fixture) {
    let (store, clock) = fixture.store_at_noon().await;
    assert!(store.balance("u1", NOON, None, 9).await.expect("readable").is_none());
    let [ending, lasting] = [allocate_until("u1", "a", 30, minute(30)), allocate("u1", "b", 50)];
    let [later, never] = [allocate_from("c", 100, minute(20)), allocate_from("d", 7, minute(90))];
    let [ending_id, lasting_id, later_id, never_id] = [&ending, &lasting, &later, &never].map(id_of);
    for command in [ending, lasting, later, never] {
        post(&store, command).await.expect("room");
    }
    clock.advance(Duration::minutes(10));
    let usage = spend("u1", "u", 35);
    let usage_id = id_of(&usage);
    post(&store, usage).await.expect("enough");
    post(&store, reserve("u1", "r", 5, 60).0).await.expect("enough");
    post(&store, void("v", never_id)).await.expect("pending");
    clock.advance(Duration::minutes(30));
    let refund = Action::Refund { usage_id, credits: Some(10), reason: None };
    post(&store, keyed("u1", "f", 0, refund)).await.expect("spent");
    let adjust =
        Adjust { adjustment_id: Uuid::now_v7(), change: Correction::By(-4), reason: "counted".to_owned() };
    post(&store, keyed("u1", "j", 0, Action::Adjust(adjust))).await.expect("enough");
    post(&store, void("w", later_id)).await.expect("unspent");

    let before = explain(&store, NOON - Duration::microseconds(1)).await;
    let nothing = BalanceView { available: 0, reserved: 0, pending: 0 };
    assert_eq!((before.balance, before.totals, before.allocations.len()), (nothing, Parts::default(), 0));
    let at_first = explain(&store, NOON).await;
    assert_eq!(at_first.balance, BalanceView { available: 80, reserved: 0, pending: 107 });
    let waiting = Parts { pending: 7, unbooked: 0, ..Parts::of(7) };
    assert_eq!(parts(&at_first, never_id), (AllocationStatus::Pending, waiting));
    let at_twenty = explain(&store, minute(19)).await;
    assert_eq!(at_twenty.balance, BalanceView { available: 40, reserved: 5, pending: 100 });
    let forfeited = Parts { voided: 7, unbooked: 0, ..Parts::of(7) };
    assert_eq!(parts(&at_twenty, never_id), (AllocationStatus::Voided, forfeited));

    let now = explain(&store, minute(40)).await;
    let booked = |credits| Parts { unbooked: 0, ..Parts::of(credits) };
    let spent = Parts { used: 30, refunded: 5, expired: 5, ..booked(30) };
    assert_eq!(parts(&now, ending_id), (AllocationStatus::Expired, spent));
    let held = Parts { remaining: 41, reserved: 5, used: 5, refunded: 5, adjusted: 4, ..booked(50) };
    assert_eq!(parts(&now, lasting_id), (AllocationStatus::Open, held));
    let voided = Parts { voided: 100, ..booked(100) };
    assert_eq!(parts(&now, later_id), (AllocationStatus::Voided, voided));
    assert_eq!(parts(&explain(&store, minute(39)).await, later_id).0, AllocationStatus::Open);
    let totals = Parts {
        remaining: 41,
        reserved: 5,
        used: 35,
        refunded: 10,
        expired: 5,
        voided: 107,
        adjusted: 4,
        ..booked(187)
    };
    assert_eq!((now.totals, now.balance.available), (totals, 41));

    // Of due is what nobody has booked yet, at its own instant.
    clock.advance(Duration::minutes(60));
    let count = entries(&store, "u1").await.len();
    assert_eq!(explain(&store, minute(69)).await.balance.reserved, 5);
    let released = explain(&store, minute(70)).await;
    assert_eq!((released.balance.available, released.balance.reserved), (46, 0));
    assert_eq!(entries(&store, "u1").await.len(), count, "reading books nothing");
    store.post(&[Command::settle("u1".to_owned())], Policies::DEFAULT).await.expect("posted");
    for minutes in [69, 70, 100] {
        assert!(explain(&store, minute(minutes)).await.totals.add_up());
    }
    assert_eq!(explain(&store, minute(70)).await, released);
    let first = store.balance("u1", minute(40), None, 1).await.expect("readable").expect("there");
    let rest = store.balance("u1", minute(40), Some(first.allocations[0].allocation.id), 9).await;
    let rest = rest.expect("readable").expect("there");
    assert_eq!((first.totals, rest.totals), (totals, totals));
    assert_eq!([first.allocations, rest.allocations].concat(), now.allocations);
}

pub(crate) async fn sums_beyond_any_balance_are_shown(fixture: Fixture) {
    let (store, _) = fixture.store_at_noon().await;
    let most = (1_i64 << 53) - 1;
    let mut commands = Vec::new();
    for round in 0..1_100 {
        commands.push(allocate("u1", &format!("a{round}"), most));
        let order =
            Use { usage_id: Uuid::now_v7(), cost: Cost::Credits(most), resource: None, metadata: None };
        commands.push(keyed("u1", &format!("u{round}"), most, Action::Use(order)));
    }
    for batch in commands.chunks(200) {
        let posted = store.post(batch, Policies::DEFAULT).await.expect("posted");
        assert!(posted.iter().all(Result::is_ok));
    }
    let sum = 1_100 * i128::from(most);
    assert!(sum > i128::from(i64::MAX));
    let explained = explain(&store, NOON).await;
    assert_eq!((explained.totals.credits, explained.totals.used), (sum, sum));
    assert_eq!(explained.balance.available, 0);
}

pub(crate) async fn entries_of_a_period_are_found(fixture: Fixture) {
    let (store, clock) = fixture.store_at_noon().await;
    for round in 0..20 {
        post(&store, allocate("u1", &format!("k{round}"), 1)).await.expect("room");
        // Several entries of one instant.
        clock.advance(Duration::minutes(round % 3));
    }
    let all = entries(&store, "u1").await;
    assert_eq!(account(&store, "u1").await.account.last_seq, 20);
    for since in -1..25 {
        for until in [since - 1, since, since + 1, since + 7, 99] {
            let (since, until) = (minute(since), minute(until));
            let filter = EntryFilter { since: Some(since), until: Some(until), ..EntryFilter::default() };
            let mut found = store.entries("u1", &filter, 99).await.expect("readable");
            found.reverse();
            let is_within = |at: OffsetDateTime| since <= at && at < until;
            let expected: Vec<_> = all.iter().filter(|one| is_within(one.recorded_at)).cloned().collect();
            assert_eq!(found, expected);
            let after = EntryFilter { before_seq: Some(9), ..filter };
            let page = store.entries("u1", &after, 99).await.expect("readable");
            assert!(page.iter().all(|one| one.seq < 9));
            assert_eq!(page.len(), expected.iter().filter(|one| one.seq < 9).count());
        }
    }
}

/// Two processes whose clocks are apart: what has begun by the one's has begun for the other,
/// and nothing leaves before it came.
pub(crate) async fn clocks_that_are_apart_leave_it_explained(fixture: Fixture) {
    let (behind, _) = fixture.store_at_noon().await;
    let (ahead, clock) = fixture.store_at_noon().await;
    post(&ahead, allocate_from("began", 30, minute(5))).await.expect("room");
    clock.advance(Duration::minutes(10));
    post(&ahead, Command::settle("u1".to_owned())).await.expect("it has begun");
    let waiting = allocate_from("waits", 7, minute(60));
    let waiting_id = id_of(&waiting);
    post(&ahead, waiting).await.expect("room");
    // By the other's clock it is noon.
    post(&behind, void("void", waiting_id)).await.expect("it is there");
    let order = Transfer {
        transfer_id: Uuid::now_v7(),
        to: "u2".to_owned(),
        credits: None,
        reason: "mistyped".to_owned(),
    };
    post(&behind, keyed("u1", "move", 0, Action::Transfer(order))).await.expect("30 are there");
    for user_id in ["u1", "u2"] {
        for minutes in 0..12 {
            let explained = ahead.balance(user_id, minute(minutes), None, 10).await;
            explained.unwrap_or_else(|error| panic!("{user_id} at {minutes}: {error}"));
        }
        check_books(&ahead, user_id).await;
    }
    let arrived = behind.allocations("u2", None, 10).await.expect("readable").remove(0).allocation;
    post(&behind, keyed("u2", "gone", 0, Action::Void { allocation_id: arrived.id, reason: None }))
        .await
        .expect("it is there");
    for minutes in 0..12 {
        let explained = ahead.balance("u2", minute(minutes), None, 10).await;
        explained.unwrap_or_else(|error| panic!("u2 at {minutes}, voided: {error}"));
    }
}
