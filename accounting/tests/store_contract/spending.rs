//! Usages, refunds, voids and corrections: decided as in memory, kept and read again.

use accrue_accounting::ledger::{
    AccountStatus, Action, Adjust, Allocate, AllocationStatus, Command, Correction, EntryKind, Policies,
    Rejection, Share, Spending, Use,
};
use accrue_accounting::store::EntryFilter;
use accrue_events::user::UserStatus;
use serde_json::Value;
use time::Duration;
use uuid::Uuid;

use crate::fixture::{
    Fixture, NOON, account, allocate, allocate_until, booked, check_books, entries, keyed, post, post_with,
    registered, snapshot, spend,
};

fn id_of(command: &Command) -> Uuid {
    match &command.action {
        Action::Allocate(order) => order.allocation_id,
        Action::Use(order) => order.usage_id,
        other => panic!("it makes nothing: {other:?}"),
    }
}

fn refund(user_id: &str, key: &str, usage_id: Uuid, credits: Option<i64>) -> Command {
    let reason = Some("asked for".to_owned());
    keyed(user_id, key, credits.unwrap_or(0), Action::Refund { usage_id, credits, reason })
}

pub(crate) async fn credits_burn_in_order_and_come_back(fixture: Fixture) {
    let (store, clock) = fixture.store_at_noon().await;
    let last = allocate("u1", "a", 30);
    let middle = allocate_until("u1", "b", 20, NOON + Duration::minutes(60));
    let soon = allocate_until("u1", "c", 15, NOON + Duration::minutes(30));
    let mut first = allocate("u1", "d", 10);
    if let Action::Allocate(order) = &mut first.action {
        order.priority = 10;
    }
    let ids = [&first, &soon, &middle, &last].map(id_of);
    for command in [last, middle, soon, first] {
        post(&store, command).await.expect("room");
    }
    let command = spend("u1", "u", 40);
    let usage_id = id_of(&command);
    let reply = booked(post(&store, command).await);
    assert_eq!(reply.resource, format!("usage/{usage_id}"));
    let body: Value = serde_json::from_slice(&reply.body).expect("JSON");
    assert_eq!((&body["balance"]["available"], &body["usage"]["credits"]), (&35.into(), &40.into()));
    let usage = store.usage("u1", usage_id).await.expect("readable").expect("there");
    let drawn = [(ids[0], 10), (ids[1], 15), (ids[2], 15)];
    assert_eq!(usage.draws, drawn.map(|(allocation_id, credits)| Share { allocation_id, credits }));
    assert_eq!((usage.resource.as_deref(), usage.recorded_at), (Some("chat"), NOON));
    assert_eq!(usage.metadata, Some(serde_json::json!({"model": "m"})));
    assert_eq!(store.usage("u2", usage_id).await.expect("readable"), None);

    clock.advance(Duration::minutes(40));
    let body: Value =
        serde_json::from_slice(&booked(post(&store, refund("u1", "r1", usage_id, Some(20))).await).body)
            .expect("JSON");
    assert_eq!((&body["refund"]["lapsed"], &body["balance"]["available"]), (&5.into(), &50.into()));
    let refused = post(&store, refund("u1", "r2", usage_id, Some(21))).await;
    assert_eq!(refused, Err(Rejection::RefundTooLarge { refundable: 20 }));
    post(&store, refund("u1", "r2", usage_id, None)).await.expect("refundable");
    assert_eq!(store.usage("u1", usage_id).await.expect("readable").expect("there").refunded, 40);
    let unknown = post(&store, refund("u2", "r", usage_id, None)).await;
    assert_eq!(unknown, Err(Rejection::UsageNotFound));
    assert_eq!(account(&store, "u1").await.account.available, 60);
    check_books(&store, "u1").await;

    let page = store.usages("u1", None, 10).await.expect("readable");
    assert_eq!(page.iter().map(|usage| usage.id).collect::<Vec<_>>(), [usage_id]);
    assert!(store.usages("u1", Some(usage_id), 10).await.expect("readable").is_empty());
    let filter = EntryFilter { kind: Some(EntryKind::Refund), ..EntryFilter::default() };
    let refunds = store.entries("u1", &filter, 10).await.expect("readable");
    assert_eq!(refunds.iter().map(|entry| entry.credits).collect::<Vec<_>>(), [20, 20]);
    assert_eq!(refunds[0].reason.as_deref(), Some("asked for"));
    let (since, until) = (Some(NOON + Duration::minutes(30)), Some(NOON + Duration::minutes(40)));
    let filter = EntryFilter { since, until, ..EntryFilter::default() };
    // The allocation that ended at half past twelve was spent up: nothing was booked then.
    assert!(store.entries("u1", &filter, 10).await.expect("readable").is_empty());
    let filter = EntryFilter { until: since, ..EntryFilter::default() };
    assert_eq!(store.entries("u1", &filter, 10).await.expect("readable").len(), 5);
}

pub(crate) async fn a_refused_spend_leaves_nothing_behind(fixture: Fixture) {
    let store = fixture.store().await;
    let insufficient = |available| Rejection::InsufficientCredits { available, required: 5 };
    assert_eq!(post(&store, spend("nobody", "k", 5)).await, Err(insufficient(0)));
    let nothing = allocate("nobody", "k", 0);
    assert_eq!(post(&store, nothing).await, Err(Rejection::CreditsOutOfRange));
    assert_eq!(post(&store, Command::settle("nobody".to_owned())).await.map(drop), Ok(()));
    assert_eq!(store.account("nobody").await.expect("readable"), None);
    post(&store, allocate("u1", "a", 4)).await.expect("room");
    assert_eq!(post(&store, spend("u1", "k", 5)).await, Err(insufficient(4)));
    assert_eq!(entries(&store, "u1").await.len(), 1);
    // The key is free, for another request too.
    booked(post(&store, spend("u1", "k", 4)).await);
    check_books(&store, "u1").await;
    // Within one batch, what makes the account comes before what spends from it.
    let batch = [spend("u2", "s1", 5), allocate("u2", "a", 7), spend("u2", "s2", 5), spend("u2", "s3", 5)];
    let posted = store.post(&batch, Policies::DEFAULT).await.expect("posted");
    let refused: Vec<_> = posted.iter().map(|one| one.as_ref().err().cloned()).collect();
    assert_eq!(refused, [Some(insufficient(0)), None, None, Some(insufficient(2))]);
    check_books(&store, "u2").await;
}

pub(crate) async fn many_small_allocations_are_spent_together(fixture: Fixture) {
    let (store, clock) = fixture.store_at_noon().await;
    let ids: Vec<Uuid> = (0..150).map(|_| Uuid::now_v7()).collect();
    let orders: Vec<Command> = (0_i64..)
        .zip(&ids)
        .map(|(i, id)| {
            let order = Allocate {
                allocation_id: *id,
                credits: 2,
                priority: i16::try_from(i % 3).expect("small"),
                effective_at: None,
                expires_at: (i % 2 == 0).then(|| NOON + Duration::minutes(200 - i)),
                reason: None,
                metadata: None,
            };
            keyed("u1", &format!("a{i}"), i, Action::Allocate(order))
        })
        .collect();
    store.post(&orders, Policies::DEFAULT).await.expect("posted");
    clock.advance(Duration::minutes(1));
    // Several in one batch, which together need more than one alone.
    let batch = [spend("u1", "s1", 99), spend("u1", "s2", 120), spend("u1", "s3", 82), spend("u1", "s4", 81)];
    let posted = store.post(&batch, Policies::DEFAULT).await.expect("posted");
    assert_eq!(posted[2], Err(Rejection::InsufficientCredits { available: 81, required: 82 }));
    let mut expected: Vec<(i64, i64)> = (0..150).map(|i| (i % 3, i)).collect();
    let end = |i: i64| if i % 2 == 0 { 200 - i } else { i64::MAX };
    expected.sort_by_key(|(priority, i)| (*priority, end(*i), ids[usize::try_from(*i).expect("small")]));
    let mut drawn = Vec::new();
    for index in [0, 1, 3] {
        let Action::Use(Use { usage_id, .. }) = &batch[index].action else { panic!("a usage") };
        let usage = store.usage("u1", *usage_id).await.expect("readable").expect("there");
        let each = |share: &Share| vec![share.allocation_id; usize::try_from(share.credits).expect("small")];
        drawn.extend(usage.draws.iter().flat_map(each));
    }
    let id = |i: &i64| ids[usize::try_from(*i).expect("small")];
    let expected: Vec<Uuid> = expected.iter().flat_map(|(_, i)| [id(i), id(i)]).collect();
    assert_eq!(drawn, expected);
    check_books(&store, "u1").await;
    let mut seen = Vec::new();
    loop {
        let page = store.allocations("u1", seen.last().copied(), 40).await.expect("readable");
        if page.is_empty() {
            break;
        }
        assert!(page.iter().all(|one| one.allocation.status(one.at) == AllocationStatus::Spent));
        seen.extend(page.into_iter().map(|one| one.allocation.id));
    }
    assert_eq!(seen, ids.iter().rev().copied().collect::<Vec<_>>());
}

pub(crate) async fn voids_and_corrections_are_kept(fixture: Fixture) {
    let (store, clock) = fixture.store_at_noon().await;
    let order = allocate("u1", "a", 100);
    let id = id_of(&order);
    post(&store, order).await.expect("room");
    post(&store, spend("u1", "s", 30)).await.expect("enough");
    let void = |key| keyed("u1", key, 0, Action::Void { allocation_id: id, reason: Some("why".to_owned()) });
    let reply = booked(post(&store, void("v1")).await);
    assert_eq!(serde_json::from_slice::<Value>(&reply.body).expect("JSON")["forfeited"], 70);
    assert_eq!(post(&store, void("v2")).await, Err(Rejection::NothingToVoid));
    assert!(booked(post(&store, void("v1")).await).is_replay);
    let voided = store.allocation("u1", id).await.expect("readable").expect("there");
    assert_eq!(voided.allocation.status(voided.at), AllocationStatus::Voided);

    let pending = allocate_until("u1", "p", 9, NOON + Duration::hours(2));
    let pending_id = id_of(&pending);
    let mut pending = pending;
    if let Action::Allocate(order) = &mut pending.action {
        order.effective_at = Some(NOON + Duration::hours(1));
    }
    post(&store, pending).await.expect("room");
    let before = account(&store, "u1").await.account;
    assert_eq!((before.available, before.pending), (0, 9));
    let void_pending = Action::Void { allocation_id: pending_id, reason: None };
    post(&store, keyed("u1", "v3", 0, void_pending)).await.expect("pending");
    assert_eq!(account(&store, "u1").await.account.pending, 0);

    let adjust = |key, number, change| {
        let order = Adjust { adjustment_id: Uuid::now_v7(), change, reason: "counted".to_owned() };
        keyed("u1", key, number, Action::Adjust(order))
    };
    let refused = post(&store, adjust("j0", 0, Correction::By(-1))).await;
    assert_eq!(refused, Err(Rejection::InsufficientCredits { available: 0, required: 1 }));
    let reply = booked(post(&store, adjust("j1", 1, Correction::By(12))).await);
    assert_eq!(reply.resource, "entries/5");
    post(&store, adjust("j2", 2, Correction::SetAvailable(5))).await.expect("enough");
    clock.advance(Duration::hours(3));
    post(&store, adjust("j3", 3, Correction::SetAvailable(5))).await.expect("nothing to do");
    let entries = entries(&store, "u1").await;
    let kinds: Vec<_> = entries[2..].iter().map(|entry| (entry.kind, entry.credits)).collect();
    let (void, adjustment) = (EntryKind::Void, EntryKind::Adjustment);
    assert_eq!(kinds, [(void, -70), (void, 0), (adjustment, 12), (adjustment, -7), (adjustment, 0)]);
    assert_eq!(entries[5].reason.as_deref(), Some("counted"));
    check_books(&store, "u1").await;
}

pub(crate) async fn who_may_not_spend_is_told(fixture: Fixture) {
    let store = fixture.store().await;
    let deny_placeholders = Policies { placeholder_spending: Spending::Deny, ..Policies::DEFAULT };
    post(&store, allocate("u1", "a", 10)).await.expect("room");
    let refused = post_with(&store, spend("u1", "s1", 1), deny_placeholders).await;
    assert_eq!(refused, Err(Rejection::SpendingDenied));
    post(&store, spend("u1", "s1", 1)).await.expect("placeholders may");
    post(&store, registered("u1", 1)).await.expect("applied");
    post_with(&store, spend("u1", "s2", 1), deny_placeholders).await.expect("active accounts may");
    let suspended = Command::apply_user(snapshot("u1", 2, UserStatus::Deactivated), Uuid::now_v7());
    post(&store, suspended).await.expect("applied");
    assert_eq!(post(&store, spend("u1", "s3", 1)).await, Err(Rejection::AccountSuspended));
    let allow_suspended = Policies { suspended_spending: Spending::Allow, ..Policies::DEFAULT };
    post_with(&store, spend("u1", "s3", 1), allow_suspended).await.expect("suspended ones may here");
    let closed = Command::apply_user(snapshot("u1", 3, UserStatus::Deleted), Uuid::now_v7());
    post(&store, closed).await.expect("applied");
    let refused = post_with(&store, spend("u1", "s4", 1), allow_suspended).await;
    assert_eq!(refused, Err(Rejection::AccountClosed));
    let usage = store.usages("u1", None, 1).await.expect("readable").remove(0);
    assert_eq!(post(&store, refund("u1", "r", usage.id, None)).await, Err(Rejection::AccountClosed));
    let state = account(&store, "u1").await.account;
    assert_eq!((state.status, state.available), (AccountStatus::Closed, 7));
    check_books(&store, "u1").await;
}
