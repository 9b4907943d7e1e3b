//! The reading routes as their callers see them: balances explained, usage summed.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use serde_json::{Value, json};

use super::{Answer, Api};

/// What is asked of everyone, not of one account.
async fn everyone(api: &Api, query: &str) -> Answer {
    let request = Request::get(format!("/v1/usage-sums{query}")).body(Body::empty());
    api.send(request.expect("a request")).await
}

/// Three allocations, one of which waits, and some usage over two days.
async fn book(api: &Api) -> [String; 3] {
    let first = api.post("/allocations", "a1", json!({"credits": 30, "expires_at": "2026-03-02T00:00:00Z"}));
    let first = first.await.id("allocation");
    let second = api.post("/allocations", "a2", json!({"credits": 100})).await.id("allocation");
    let pending = json!({"credits": 7, "effective_at": "2026-06-01T00:00:00Z"});
    let third = api.post("/allocations", "a3", pending).await.id("allocation");
    api.clock.advance(time::Duration::hours(1));
    let spent = api.post("/usage", "u1", json!({"credits": 20, "resource": "chat"})).await;
    api.post("/usage", "u2", json!({"credits": 3})).await;
    api.clock.advance(time::Duration::hours(23));
    api.post(&format!("/usage/{}/refund", spent.id("usage")), "r1", json!({"credits": 5})).await;
    api.post("/usage", "u3", json!({"credits": 9, "resource": "chat"})).await;
    api.post("/reservations", "h1", json!({"credits": 11, "expires_in": 600})).await;
    [first, second, third]
}

#[tokio::test]
async fn a_balance_is_explained() {
    let api = Api::start().await;
    api.get("/balance").await.is(404, "account_not_found");
    let [first, second, third] = book(&api).await;
    let now = api.get("/balance").await;
    assert_eq!((now.status, &now.body["at"]), (StatusCode::OK, &json!("2026-03-02T12:00:00Z")));
    assert_eq!(now.body["balance"], json!({"available": 80, "reserved": 11, "pending": 7}));
    assert_eq!(now.body["balance"], api.get("").await.body["balance"]);
    let totals = json!({"credits": 137, "remaining": 80, "reserved": 11, "pending": 7, "used": 32, "refunded": 5,
                        "expired": 12, "voided": 0, "adjusted": 0, "transferred": 0, "unbooked": 0});
    assert_eq!(now.body["totals"], totals);
    let ids: Vec<&Value> = now.body["data"].as_array().expect("items").iter().map(|one| &one["id"]).collect();
    assert_eq!(ids, [&json!(third), &json!(second), &json!(first)]);
    let ended = json!({
        "id": first, "status": "expired", "priority": 50, "effective_at": null,
        "expires_at": "2026-03-02T00:00:00Z", "recorded_at": "2026-03-01T12:00:00Z",
        "credits": 30, "remaining": 0, "reserved": 0, "pending": 0, "used": 23, "refunded": 5, "expired": 12,
        "voided": 0, "adjusted": 0, "transferred": 0, "unbooked": 0,
    });
    assert_eq!(now.body["data"][2], ended);

    let then = api.get("/balance?at=2026-03-01T14:00:00%2B01:00").await;
    assert_eq!(then.body["balance"], json!({"available": 107, "reserved": 0, "pending": 7}));
    assert_eq!(
        (&then.body["at"], &then.body["data"][2]["status"]),
        (&json!("2026-03-01T13:00:00Z"), &json!("open"))
    );
    let nothing = api.get("/balance?at=2026-03-01T11:59:59Z").await;
    assert_eq!(nothing.body["balance"], json!({"available": 0, "reserved": 0, "pending": 0}));
    assert_eq!(nothing.body["data"], json!([]));

    // The pages are of one instant, whatever happens between them.
    let page = api.get("/balance?limit=2").await;
    let cursor = page.body["next_cursor"].as_str().expect("more").to_owned();
    api.clock.advance(time::Duration::hours(1));
    api.post("/usage", "u4", json!({"credits": 50})).await;
    let next = api.get(&format!("/balance?limit=2&cursor={cursor}")).await;
    assert_eq!((&next.body["at"], &next.body["totals"]), (&page.body["at"], &totals));
    assert_eq!((&next.body["data"], &next.body["next_cursor"]), (&json!([ended]), &Value::Null));

    for wrong in ["at=2027-01-01T00:00:00Z", "at=noon", "limit=0", "cursor=AAAA"] {
        api.get(&format!("/balance?{wrong}")).await.is(400, "invalid_request");
    }
    // A page may come from a process whose clock is some minutes ahead, and not hours.
    api.clock.advance(time::Duration::hours(1));
    let ahead = api.get("/balance?limit=2").await;
    let cursor_ahead = ahead.body["next_cursor"].as_str().expect("more");
    api.clock.advance(-time::Duration::minutes(4));
    let next = api.get(&format!("/balance?limit=2&cursor={cursor_ahead}")).await;
    assert_eq!((&next.body["at"], &next.body["totals"]), (&ahead.body["at"], &ahead.body["totals"]));
    api.clock.advance(-time::Duration::minutes(2));
    let refused = api.get(&format!("/balance?limit=2&cursor={cursor_ahead}")).await;
    assert_eq!(refused.body["errors"][0]["code"], "in_the_future");
    let other = format!("/balance?cursor={cursor}&at=2026-03-01T13:00:00Z");
    assert_eq!(api.get(&other).await.body["errors"][0]["code"], "invalid_cursor");
    api.stop().await;
}

fn sum(period: &str, resource: Option<&str>, [credits, refunded, count]: [i64; 3]) -> Value {
    json!({"period": period, "user_id": "ada", "resource": resource, "credits": credits, "refunded": refunded,
           "net": credits - refunded, "uncollected": 0, "count": count})
}

#[tokio::test]
async fn usage_is_summed() {
    let api = Api::start().await;
    api.get("/usage-sums").await.is(404, "account_not_found");
    assert_eq!(everyone(&api, "").await.body, json!({"data": [], "next_cursor": null}));
    book(&api).await;
    let sums = [
        sum("2026-03-02", Some("chat"), [9, 0, 1]),
        sum("2026-03-01", Some("chat"), [20, 5, 1]),
        sum("2026-03-01", None, [3, 0, 1]),
    ];
    let all = json!({"data": sums, "next_cursor": null});
    assert_eq!(api.get("/usage-sums").await.body, all);
    assert_eq!(everyone(&api, "").await.body, all);
    let page = everyone(&api, "?limit=2").await;
    let cursor = page.body["next_cursor"].as_str().expect("more");
    assert_eq!(page.body["data"], json!(sums[..2]));
    let next = everyone(&api, &format!("?limit=2&cursor={cursor}")).await;
    assert_eq!(next.body, json!({"data": sums[2..], "next_cursor": null}));
    let months = api.get("/usage-sums?period=month&resource=chat").await;
    assert_eq!(months.body["data"], json!([sum("2026-03", Some("chat"), [29, 5, 2])]));
    let first_day = "since=2026-03-01&until=2026-03-02";
    assert_eq!(everyone(&api, &format!("?{first_day}&user_id=ada")).await.body["data"], json!(sums[1..]));
    assert_eq!(everyone(&api, "?user_id=bob").await.body["data"], json!([]));
    for wrong in [
        "since=2026-03-01T00:00:00Z",
        "since=2026-03-02&until=2026-03-02",
        "since=2025-01-01&until=2026-03-01",
        "since=2026-04-01",
        "since=-9999-01-01&until=-9999-02-01",
        "resource=",
        "resource=%00",
        "cursor=AAAA",
        "limit=201",
    ] {
        everyone(&api, &format!("?{wrong}")).await.is(400, "invalid_request");
        api.get(&format!("/usage-sums?{wrong}")).await.is(400, "invalid_request");
    }
    everyone(&api, "?user_id=").await.is(400, "invalid_request");
    api.get("/usage-sums?period=year").await.is(400, "invalid_request");

    // By then the first of March is not among the last 31 days; the pages are still of those
    // of the first one.
    api.clock.advance(time::Duration::days(30));
    assert_eq!(everyone(&api, "").await.body["data"], json!(sums[..1]));
    let next = everyone(&api, &format!("?limit=2&cursor={cursor}")).await;
    assert_eq!(next.body, json!({"data": sums[2..], "next_cursor": null}));
    api.stop().await;
}
