//! The routes as their callers see them: statuses, addresses, codes, bodies.

mod batches;
mod dead_letters;
mod newcomers;
mod rates;
mod reading;
mod standing;
mod transfers;
mod waiting;

use std::sync::Arc;
use std::time::Duration;

use accrue_chassis::clock::ManualClock;
use accrue_chassis::lifecycle::Lifecycle;
use accrue_chassis::tokens::{Caller, Scopes};
use accrue_events::broker::{self, Broker, Topology, Trust};
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use axum::{Extension, Router};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tempfile::TempDir;
use time::macros::datetime;
use tower::ServiceExt as _;

use super::{Accounting, Newcomers, Waiting, routes};
use crate::batcher::Batcher;
use crate::directory::OnUnknownUser;
use crate::ledger::Policies;
use crate::store;

/// accounting's routes over a SQLite file, for one caller who may do everything.
struct Api {
    router: Router,
    batcher: Batcher,
    clock: Arc<ManualClock>,
    lifecycle: Lifecycle,
    broker: Broker,
    _files: TempDir,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The id of the `noun` that it is about.
    fn id(&self, noun: &str) -> String {
        self.body[noun]["id"].as_str().expect("an id").to_owned()
    }

    fn is_created(&self) {
        assert_eq!(self.status, StatusCode::CREATED, "{}", self.body);
    }

    fn is(&self, status: u16, code: &str) {
        assert_eq!((self.status.as_u16(), &self.body["code"]), (status, &json!(code)), "{}", self.body);
    }
}

impl Api {
    async fn start() -> Self {
        Self::start_with(Newcomers { by_default: OnUnknownUser::Placeholder, checks: None }).await
    }

    async fn start_with(newcomers: Newcomers) -> Self {
        let files = tempfile::tempdir().expect("a directory");
        let broker = format!("sqlite:{}", files.path().join("broker.db").display());
        Self::start_in(files, &broker, newcomers).await
    }

    /// With its broker at `broker`.
    async fn start_on(broker: &str) -> Self {
        let newcomers = Newcomers { by_default: OnUnknownUser::Placeholder, checks: None };
        Self::start_in(tempfile::tempdir().expect("a directory"), broker, newcomers).await
    }

    async fn start_in(files: TempDir, broker: &str, newcomers: Newcomers) -> Self {
        let url = format!("sqlite:{}", files.path().join("accounting.db").display());
        let clock = ManualClock::new(datetime!(2026-03-01 12:00 UTC));
        let store =
            store::open(&url, 1, true, Arc::<ManualClock>::clone(&clock)).await.expect("the store opens");
        let lifecycle = Lifecycle::new();
        let batcher = Batcher::start(&store, Policies::DEFAULT, &lifecycle);
        let caller = Caller {
            subject: "shop".to_owned(),
            client_id: "shop".to_owned(),
            scopes: Scopes::default(),
            session_id: None,
        };
        let broker =
            broker::open(broker, Trust::default(), Topology::default(), Arc::<ManualClock>::clone(&clock));
        let broker = broker.expect("a good URL");
        let accounting = Accounting {
            batcher: batcher.clone(),
            store,
            newcomers,
            waiting: Waiting::new(batcher.arrivals(), lifecycle.clone(), (Duration::from_secs(10), 64)),
            lifecycle: lifecycle.clone(),
            dead_letters: broker.dead_letters(),
        };
        let router = routes(accounting).0.layer(Extension(caller));
        Self { router, batcher, clock, lifecycle, broker, _files: files }
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.expect("routers do not fail");
        let (parts, body) = response.into_parts();
        let body = body.collect().await.expect("a body").to_bytes();
        let body = if body.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&body).expect("every answer is JSON")
        };
        Answer { status: parts.status, headers: parts.headers, body }
    }

    async fn get(&self, path: &str) -> Answer {
        self.get_of("ada", path).await
    }

    async fn get_of(&self, user_id: &str, path: &str) -> Answer {
        let path = format!("/v1/accounts/{user_id}{path}");
        self.send(Request::get(path).body(Body::empty()).expect("a request")).await
    }

    async fn post(&self, path: &str, key: &str, body: Value) -> Answer {
        self.post_to(&format!("/v1/accounts/ada{path}"), key, body).await
    }

    async fn post_to(&self, path: &str, key: &str, body: Value) -> Answer {
        let request = Request::post(path)
            .header("content-type", "application/json")
            .header("idempotency-key", key)
            .body(Body::from(body.to_string()));
        self.send(request.expect("a request")).await
    }

    async fn stop(self) {
        assert!(self.lifecycle.drain(Duration::from_secs(5)).await, "the lanes ended");
    }
}

#[tokio::test]
async fn credits_are_spent_and_refunded() {
    let api = Api::start().await;
    api.post("/usage", "u0", json!({"credits": 1})).await.is(402, "insufficient_credits");
    api.get("").await.is(404, "account_not_found");
    let end = json!({"credits": 30, "priority": 10, "expires_at": "2026-03-01T14:00:00+01:00"});
    let first = api.post("/allocations", "a1", end).await;
    assert_eq!(first.status, StatusCode::CREATED, "{}", first.body);
    assert_eq!(first.body["allocation"]["expires_at"], "2026-03-01T13:00:00Z");
    assert_eq!(first.body["allocation"]["status"], "open");
    let later = json!({"credits": 50, "effective_at": "2026-03-01T12:30:00Z"});
    let later = api.post("/allocations", "a2", later).await;
    assert_eq!(later.body["allocation"]["status"], "pending");
    assert_eq!(later.body["balance"], json!({"available": 30, "reserved": 0, "pending": 50}));

    let refused = api.post("/usage", "u1", json!({"credits": 31})).await;
    refused.is(402, "insufficient_credits");
    assert_eq!((&refused.body["available"], &refused.body["required"]), (&json!(30), &json!(31)));
    api.clock.advance(time::Duration::minutes(30));
    let order = json!({"credits": 31, "resource": "chat", "metadata": {"model": "m"}});
    let spent = api.post("/usage", "u1", order.clone()).await;
    assert_eq!(spent.status, StatusCode::CREATED, "{}", spent.body);
    let drawn = json!([{"allocation_id": first.id("allocation"), "credits": 30},
                       {"allocation_id": later.id("allocation"), "credits": 1}]);
    assert_eq!(spent.body["usage"]["allocations"], drawn);
    let address = format!("/v1/accounts/ada/usage/{}", spent.id("usage"));
    assert_eq!(spent.header("location"), Some(address.as_str()));
    let again = api.post("/usage", "u1", order).await;
    assert_eq!((again.header("idempotency-replayed"), &again.body), (Some("true"), &spent.body));
    api.post("/usage", "u1", json!({"credits": 2})).await.is(422, "idempotency_key_reused");
    let got = api.get(&format!("/usage/{}", spent.id("usage"))).await;
    assert_eq!(got.body, spent.body["usage"]);
    assert_eq!(api.get("/usage").await.body, json!({"data": [got.body], "next_cursor": null}));

    let refund = format!("/usage/{}/refund", spent.id("usage"));
    let refunded = api.post(&refund, "r1", json!({"credits": 6, "reason": "cut off"})).await;
    assert_eq!((refunded.status, &refunded.body["usage"]["refunded"]), (StatusCode::OK, &json!(6)));
    let too_much = api.post(&refund, "r2", json!({"credits": 26})).await;
    too_much.is(409, "refund_too_large");
    assert_eq!(too_much.body["refundable"], 25);
    let nowhere = format!("/usage/{}/refund", first.id("allocation"));
    api.post(&nowhere, "r3", json!({})).await.is(404, "usage_not_found");
    api.get("/usage/nonsense").await.is(404, "usage_not_found");
    let entries = api.get("/entries?kind=refund").await;
    assert_eq!(entries.body["data"][0]["reason"], "cut off");
    let one = api.get(&format!("/entries/{}", entries.body["data"][0]["seq"])).await;
    assert_eq!(one.body, entries.body["data"][0]);
    api.get("/entries/99").await.is(404, "entry_not_found");
    let none = api.get("/entries?since=2026-03-01T12:30:01Z&until=2026-04-01T00:00:00Z").await;
    assert_eq!(none.body["data"], json!([]));
    api.get("/entries?kind=theft").await.is(400, "invalid_request");
    api.get("/entries?since=yesterday").await.is(400, "invalid_request");
    api.stop().await;
}

#[tokio::test]
async fn credits_are_held_captured_and_given_back() {
    let api = Api::start().await;
    api.post("/allocations", "a", json!({"credits": 100})).await;
    let order = json!({"credits": 40, "expires_in": 600, "resource": "stream"});
    let held = api.post("/reservations", "h1", order).await;
    assert_eq!((held.status, &held.body["reservation"]["status"]), (StatusCode::CREATED, &json!("held")));
    assert_eq!(held.body["balance"], json!({"available": 60, "reserved": 40, "pending": 0}));
    let of = |held: &Answer, verb: &str| format!("/reservations/{}/{verb}", held.id("reservation"));
    // Extending may do without a key.
    let request = Request::post(format!("/v1/accounts/ada{}", of(&held, "extend")))
        .header("content-type", "application/json")
        .body(Body::from(json!({"expires_in": 1_200}).to_string()));
    let longer = api.send(request.expect("a request")).await;
    assert_eq!(longer.body["reservation"]["expires_at"], "2026-03-01T12:20:00Z");
    let refused = api.post(&of(&held, "capture"), "c1", json!({"credits": 101})).await;
    refused.is(402, "insufficient_credits");
    assert_eq!((&refused.body["available"], &refused.body["required"]), (&json!(60), &json!(61)));
    let capped = json!({"credits": 101, "on_shortfall": "cap"});
    let captured = api.post(&of(&held, "capture"), "c1", capped).await;
    assert_eq!((captured.status, &captured.body["usage"]["uncollected"]), (StatusCode::CREATED, &json!(1)));
    let address = format!("/v1/accounts/ada/usage/{}", captured.id("usage"));
    assert_eq!(captured.header("location"), Some(address.as_str()));
    let again = api.post(&of(&held, "release"), "l1", Value::Null).await;
    again.is(409, "reservation_ended");
    assert_eq!(again.body["reservation_status"], "captured");

    api.post("/allocations", "b", json!({"credits": 10})).await;
    let other = api.post("/reservations", "h2", json!({"credits": 4, "expires_in": 60})).await;
    let released = api.post(&of(&other, "release"), "l2", Value::Null).await;
    assert_eq!((released.status, &released.body["balance"]["available"]), (StatusCode::OK, &json!(10)));
    let third = api.post("/reservations", "h3", json!({"credits": 4, "expires_in": 60})).await;
    api.clock.advance(time::Duration::minutes(1));
    let got = api.get(&format!("/reservations/{}", third.id("reservation"))).await;
    assert_eq!(
        (&got.body["status"], &got.body["ended_at"]),
        (&json!("expired"), &json!("2026-03-01T12:01:00Z"))
    );
    let page = api.get("/reservations?limit=1").await;
    assert_eq!(page.body["data"], json!([got.body]));
    let cursor = page.body["next_cursor"].as_str().expect("more");
    let next = api.get(&format!("/reservations?limit=5&cursor={cursor}")).await;
    assert_eq!(next.body["data"].as_array().map(Vec::len), Some(2));
    api.stop().await;
}

#[tokio::test]
async fn operators_void_and_correct() {
    let api = Api::start().await;
    let made = api.post("/allocations", "a", json!({"credits": 100})).await;
    let void = format!("/allocations/{}/void", made.id("allocation"));
    let held = api.post("/reservations", "h", json!({"credits": 40, "expires_in": 60})).await;
    let refused = api.post(&void, "v", json!({})).await;
    refused.is(409, "allocation_reserved");
    assert_eq!(refused.body["reserved"], 40);
    api.post(&format!("/reservations/{}/release", held.id("reservation")), "l", Value::Null).await;
    let voided = api.post(&void, "v", json!({"reason": "cancelled"})).await;
    assert_eq!((voided.status, &voided.body["forfeited"]), (StatusCode::OK, &json!(100)));
    assert_eq!(voided.body["allocation"], api.get("/allocations").await.body["data"][0]);
    api.post(&void, "w", json!({})).await.is(409, "nothing_to_void");

    let up = api.post("/adjustments", "j1", json!({"credits": 12, "reason": "forgotten"})).await;
    assert_eq!((up.status, &up.body["balance"]["available"]), (StatusCode::CREATED, &json!(12)));
    let entry =
        api.get(up.header("location").expect("an address").trim_start_matches("/v1/accounts/ada")).await;
    assert_eq!((&entry.body["kind"], &entry.body["reason"]), (&json!("adjustment"), &json!("forgotten")));
    let set = api.post("/adjustments", "j2", json!({"set_available": 5, "reason": "counted"})).await;
    assert_eq!(set.body["adjustment"]["credits"], -7);
    api.post("/adjustments", "j3", json!({"credits": -6, "reason": "x"}))
        .await
        .is(402, "insufficient_credits");
    for wrong in [
        json!({"reason": "x"}),
        json!({"credits": 1, "set_available": 1, "reason": "x"}),
        json!({"credits": 0, "reason": "x"}),
        json!({"set_available": -1, "reason": "x"}),
        json!({"credits": 1, "reason": " "}),
        json!({"credits": 1}),
    ] {
        api.post("/adjustments", "j4", wrong).await.is(400, "invalid_request");
    }
    api.stop().await;
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_told_by_field() {
    let api = Api::start().await;
    let pointer = async |path: &str, body: Value| {
        let answer = api.post(path, "k", body).await;
        answer.is(400, "invalid_request");
        answer.body["errors"][0]["pointer"].as_str().expect("a pointer").to_owned()
    };
    assert_eq!(pointer("/allocations", json!({"credits": 1, "priority": 101})).await, "/priority");
    let past = json!({"credits": 1, "expires_at": "2026-03-01T12:00:00Z"});
    assert_eq!(pointer("/allocations", past).await, "/expires_at");
    let backwards = json!({"credits": 1, "effective_at": "2026-05-01T00:00:00Z",
                           "expires_at": "2026-04-01T00:00:00Z"});
    assert_eq!(pointer("/allocations", backwards).await, "/expires_at");
    let late = json!({"credits": 1, "expires_at": "9999-12-31T23:59:59-12:00"});
    assert_eq!(pointer("/allocations", late).await, "/expires_at");
    assert_eq!(pointer("/usage", json!({"credits": 0})).await, "/credits");
    assert_eq!(pointer("/usage", json!({"credits": 1, "resource": ""})).await, "/resource");
    for seconds in [0, 2_592_001] {
        let hold = json!({"credits": 1, "expires_in": seconds});
        assert_eq!(pointer("/reservations", hold).await, "/expires_in");
    }
    for (path, body) in [
        ("/allocations", json!({"credits": 1})),
        ("/usage", json!({"credits": 1})),
        ("/reservations", json!({"credits": 1, "expires_in": 1})),
        ("/adjustments", json!({"credits": 1, "reason": "x"})),
        ("/transfers", json!({"to": "bob", "all": true, "reason": "x"})),
    ] {
        let request = Request::post(format!("/v1/accounts/ada{path}"))
            .header("content-type", "application/json")
            .body(Body::from(body.to_string()));
        api.send(request.expect("a request")).await.is(400, "idempotency_key_required");
    }
    api.get("").await.is(404, "account_not_found");
    api.stop().await;
}
