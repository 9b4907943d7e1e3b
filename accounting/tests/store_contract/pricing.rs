//! Rates, and what units cost by them.

use std::collections::BTreeMap;
use std::sync::Arc;

use accrue_accounting::ledger::{
    Action, Capture, Command, Cost, OnShortfall, Pricing, Rejection, Reserve, Use,
};
use accrue_accounting::rates::{
    EffectiveInPast, RateCard, RateOrder, RateVersion, Revision, UnitRate, Units, Unpriced,
};
use accrue_accounting::store::LedgerStore;
use futures_util::future::join_all;
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::fixture::{Fixture, NOON, account, allocate, booked, check_books, entries, keyed, post, spend};

/// Units of tokens.
pub(crate) fn tokens(quantity: u64) -> Cost {
    Cost::Units(Units::new(BTreeMap::from([("tokens".to_owned(), quantity)])).expect("units"))
}

/// That 1,000 tokens of `resource` are to cost this; the price is taken away if none is named.
pub(crate) fn rate(resource: &str, credits: Option<&str>, effective_at: Option<OffsetDateTime>) -> RateOrder {
    let rate = |credits: &str| UnitRate { credits: credits.parse().expect("a decimal"), per: 1_000 };
    let units = credits.map(|credits| ("tokens".to_owned(), rate(credits)));
    let card = RateCard::new(units.into_iter().collect()).expect("a card");
    RateOrder { resource: resource.to_owned(), effective_at, card, actor: "tester".to_owned() }
}

async fn put(store: &Arc<dyn LedgerStore>, order: RateOrder) -> RateVersion {
    match store.put_rate(&order).await.expect("writable").expect("not in the past") {
        Revision::Made(version) => version,
        Revision::Unchanged(version) => panic!("{version:?} says the same"),
    }
}

/// A usage of so many tokens of "chat".
fn used(user_id: &str, key: &str, quantity: u64) -> Command {
    let (usage_id, cost, resource) = (Uuid::now_v7(), tokens(quantity), Some("chat".to_owned()));
    let number = i64::try_from(quantity).expect("small");
    keyed(user_id, key, number, Action::Use(Use { usage_id, cost, resource, metadata: None }))
}

fn body(reply: &[u8]) -> Value {
    serde_json::from_slice(reply).expect("JSON")
}

pub(crate) async fn rates_are_kept_version_by_version(fixture: Fixture) {
    let (store, clock) = fixture.store_at_noon().await;
    assert_eq!(store.rate("chat").await.expect("readable"), None);
    let refused = store.put_rate(&rate("chat", Some("1"), Some(NOON - Duration::seconds(1)))).await;
    assert_eq!(refused.expect("writable"), Err(EffectiveInPast));
    assert_eq!(store.rate("chat").await.expect("readable"), None);
    let first = put(&store, rate("chat", Some("2.5"), None)).await;
    assert_eq!((first.version, first.effective_at, first.recorded_at), (1, NOON, NOON));
    let again = store.put_rate(&rate("chat", Some("2.50"), None)).await.expect("writable");
    assert_eq!(again, Ok(Revision::Unchanged(first.clone())));
    let later = put(&store, rate("chat", Some("3"), Some(NOON + Duration::hours(2)))).await;
    let sooner = put(&store, rate("chat", Some("4"), Some(NOON + Duration::hours(1)))).await;
    let last = put(&store, rate("chat", None, Some(NOON + Duration::hours(9)))).await;
    put(&store, rate("a/b c", Some("0.000000001"), None)).await;

    // What was written is read again, by another process too.
    let other = fixture.store_at(Arc::<accrue_chassis::clock::ManualClock>::clone(&clock)).await;
    let standing = other.rate("chat").await.expect("readable").expect("there");
    assert_eq!(standing.in_force, Some(first.clone()));
    assert_eq!(standing.scheduled, [sooner.clone(), last.clone()]);
    let at = |hours| Some(NOON + Duration::hours(hours));
    assert_eq!(other.rate_at("chat", at(-1)).await.expect("readable"), None);
    assert_eq!(other.rate_at("chat", None).await.expect("readable"), Some(first.clone()));
    assert_eq!(other.rate_at("chat", at(2)).await.expect("readable"), Some(sooner.clone()));
    assert_eq!(other.rate_at("chat", at(9)).await.expect("readable"), Some(last.clone()));
    assert_eq!(other.rate_version("chat", 2).await.expect("readable"), Some(later.clone()));
    assert_eq!(other.rate_version("chat", 5).await.expect("readable"), None);
    let page = other.rate_versions("chat", None, 2).await.expect("readable");
    assert_eq!(page, [last.clone(), sooner.clone()]);
    assert_eq!(other.rate_versions("chat", Some(3), 9).await.expect("readable"), [later, first]);
    clock.advance(Duration::hours(1));
    let names = |page: Vec<accrue_accounting::store::RateStanding>| {
        page.into_iter().map(|one| (one.resource, one.in_force.map(|rate| rate.version))).collect::<Vec<_>>()
    };
    let (one, two) = (("a/b c".to_owned(), Some(1)), ("chat".to_owned(), Some(3)));
    assert_eq!(names(store.rates(None, 9).await.expect("readable")), [one.clone(), two.clone()]);
    assert_eq!(names(store.rates(None, 1).await.expect("readable")), [one]);
    assert_eq!(names(store.rates(Some("a/b c"), 9).await.expect("readable")), [two]);
}

pub(crate) async fn rates_set_at_once_lose_no_version(fixture: Fixture) {
    let stores = [fixture.store().await, fixture.store().await];
    for round in 0..5 {
        let resource = format!("r{round}");
        let orders: Vec<RateOrder> =
            (0..12).map(|i| rate(&resource, Some(&format!("{i}.5")), None)).collect();
        let puts = orders.iter().enumerate().map(|(i, order)| stores[i % 2].put_rate(order));
        let mut made: Vec<i64> = join_all(puts)
            .await
            .into_iter()
            .map(|put| match put.expect("writable").expect("not in the past") {
                Revision::Made(version) => version.version,
                Revision::Unchanged(version) => panic!("{version:?} says the same"),
            })
            .collect();
        made.sort_unstable();
        assert_eq!(made, (1..=12).collect::<Vec<_>>(), "{resource}");
        let kept = stores[0].rate_versions(&resource, None, 99).await.expect("readable");
        let cards: Vec<&RateCard> = kept.iter().map(|version| &version.card).collect();
        assert!(orders.iter().all(|order| cards.contains(&&order.card)), "{resource}: one was lost");
        // The same, sent many times at once, makes one version.
        let order = rate(&resource, Some("99"), None);
        let puts = join_all((0..8).map(|i| stores[i % 2].put_rate(&order))).await;
        let versions: Vec<Revision> =
            puts.into_iter().map(|put| put.expect("writable").expect("not in the past")).collect();
        let made = versions.iter().filter(|one| matches!(one, Revision::Made(_))).count();
        assert_eq!(made, 1, "{resource}: {versions:?}");
        let (Revision::Made(first) | Revision::Unchanged(first)) = &versions[0];
        assert_eq!(first.version, 13, "{resource}");
    }
}

pub(crate) async fn units_cost_what_the_rate_in_force_says(fixture: Fixture) {
    let (store, clock) = fixture.store_at_noon().await;
    // Another process sets the rates: what it has set holds here at once.
    let other = fixture.store_at(Arc::<accrue_chassis::clock::ManualClock>::clone(&clock)).await;
    post(&store, allocate("u1", "a", 1_000)).await.expect("room");
    let no_rate = Rejection::Unpriced(Unpriced::NoRate);
    assert_eq!(post(&store, used("u1", "s1", 4_001)).await, Err(no_rate.clone()));
    put(&other, rate("chat", Some("2.5"), None)).await;
    put(&other, rate("chat", Some("5"), Some(NOON + Duration::minutes(10)))).await;
    let first = booked(post(&store, used("u1", "s1", 4_001)).await);
    let usage = &body(&first.body)["usage"];
    assert_eq!((&usage["credits"], &usage["rate_version"]), (&json!(11), &json!(1)));
    assert_eq!(usage["units"], json!({"tokens": 4_001}));
    let id = usage["id"].as_str().expect("an id").parse().expect("an id");
    let kept = store.usage("u1", id).await.expect("readable").expect("there");
    let Cost::Units(units) = tokens(4_001) else { panic!("units") };
    assert_eq!(kept.pricing, Some(Pricing { units, rate_version: 1 }));

    clock.advance(Duration::minutes(10));
    let second = booked(post(&store, used("u1", "s2", 4_001)).await);
    let usage = &body(&second.body)["usage"];
    assert_eq!((&usage["credits"], &usage["rate_version"]), (&json!(21), &json!(2)));
    // What was answered stays as it was, whatever became of the rate.
    put(&other, rate("chat", None, None)).await;
    for (key, reply) in [("s1", &first), ("s2", &second)] {
        let again = booked(post(&store, used("u1", key, 4_001)).await);
        assert!(again.is_replay && again.body == reply.body, "{key}");
    }
    assert_eq!(post(&store, used("u1", "s3", 1)).await, Err(no_rate));
    let nameless = keyed(
        "u1",
        "s4",
        0,
        match used("u1", "s4", 1).action {
            Action::Use(order) => Action::Use(Use { resource: None, ..order }),
            other => panic!("{other:?}"),
        },
    );
    assert_eq!(post(&store, nameless).await, Err(Rejection::Unpriced(Unpriced::NoResource)));
    assert_eq!(account(&store, "u1").await.account.available, 1_000 - 11 - 21);
    check_books(&store, "u1").await;
}

pub(crate) async fn what_is_held_for_units_is_captured_by_units(fixture: Fixture) {
    let (store, clock) = fixture.store_at_noon().await;
    post(&store, allocate("u1", "a", 100)).await.expect("room");
    put(&store, rate("chat", Some("2.5"), None)).await;
    put(&store, rate("chat", Some("5"), Some(NOON + Duration::minutes(10)))).await;
    let hold = |key: &str, quantity: u64| {
        let order = Reserve {
            reservation_id: Uuid::now_v7(),
            cost: tokens(quantity),
            expires_in_s: 3_600,
            resource: Some("chat".to_owned()),
            metadata: None,
        };
        let id = order.reservation_id;
        (keyed("u1", key, 0, Action::Reserve(order)), id)
    };
    let capture = |key: &str, reservation_id: Uuid, cost: Option<Cost>| {
        let (usage_id, on_shortfall) = (Uuid::now_v7(), OnShortfall::Reject);
        keyed("u1", key, 0, Action::Capture(Capture { reservation_id, usage_id, cost, on_shortfall }))
    };
    let (whole, whole_id) = hold("h1", 8_000);
    let (part, part_id) = hold("h2", 8_000);
    let (none, none_id) = hold("h3", 0);
    for command in [whole, part, none] {
        booked(post(&store, command).await);
    }
    let kept = store.reservation("u1", part_id).await.expect("readable").expect("there");
    let version = |pricing: &Option<Pricing>| pricing.as_ref().map(|pricing| pricing.rate_version);
    assert_eq!((kept.credits, version(&kept.pricing)), (20, Some(1)));
    let free = store.reservation("u1", none_id).await.expect("readable").expect("there");
    assert_eq!((free.credits, free.draws, version(&free.pricing)), (0, vec![], Some(1)));
    clock.advance(Duration::minutes(10));
    // As a whole it costs what it held; by units, what they cost by now.
    let reply = body(&booked(post(&store, capture("c1", whole_id, None)).await).body);
    let of = |reply: &Value| {
        let usage = &reply["usage"];
        [usage["credits"].clone(), usage["rate_version"].clone(), usage["units"].clone()]
    };
    assert_eq!(of(&reply), [json!(20), json!(1), json!({"tokens": 8_000})]);
    let reply = body(&booked(post(&store, capture("c2", part_id, Some(tokens(6_000)))).await).body);
    assert_eq!(of(&reply), [json!(30), json!(2), json!({"tokens": 6_000})]);
    assert_eq!(reply["reservation"]["rate_version"], 1);
    let reply = body(&booked(post(&store, capture("c3", none_id, None)).await).body);
    assert_eq!(of(&reply), [json!(0), json!(1), json!({"tokens": 0})]);
    assert_eq!(account(&store, "u1").await.account.available, 50);
    check_books(&store, "u1").await;
    // By units only where something says of what.
    let (mut nameless, id) = hold("h4", 0);
    if let Action::Reserve(order) = &mut nameless.action {
        (order.cost, order.resource) = (Cost::Credits(1), None);
    }
    booked(post(&store, nameless).await);
    let refused = post(&store, capture("c4", id, Some(tokens(1)))).await;
    assert_eq!(refused, Err(Rejection::Unpriced(Unpriced::NoResource)));
}

pub(crate) async fn what_is_free_is_booked_for_anybody(fixture: Fixture) {
    let store = fixture.store().await;
    put(&store, rate("chat", Some("0"), None)).await;
    let reply = body(&booked(post(&store, used("new", "s1", 77)).await).body);
    assert_eq!((&reply["usage"]["credits"], &reply["account_status"]), (&json!(0), &json!("placeholder")));
    let entries = entries(&store, "new").await;
    assert_eq!(entries.iter().map(|entry| (entry.credits, entry.draws.len())).collect::<Vec<_>>(), [(0, 0)]);
    check_books(&store, "new").await;
    // What is refused leaves no account behind, whether credits or units were asked for.
    put(&store, rate("chat", Some("1"), None)).await;
    let refused = post(&store, used("newer", "s1", 1)).await;
    assert_eq!(refused, Err(Rejection::InsufficientCredits { available: 0, required: 1 }));
    post(&store, spend("newer", "s2", 1)).await.expect_err("nothing is there");
    assert_eq!(store.account("newer").await.expect("readable"), None);
    // Credits by themselves are never 0.
    assert_eq!(post(&store, spend("new", "s3", 0)).await, Err(Rejection::CreditsOutOfRange));
}
