//! Dead letters over HTTP: listed without personal data, read, sent back, dropped.

use accrue_events::broker::{Destination, Message, Settlement};
use accrue_testkit::eventually;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use futures_util::FutureExt as _;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Answer, Api};

const PATH: &str = "/v1/admin/dead-letters";

fn id(n: u128) -> String {
    Uuid::from_u128(n).to_string()
}

/// Makes dead letters of `bodies`, numbered from 1.
async fn bury(api: &Api, bodies: &[&str]) {
    let messages = (1..).zip(bodies).map(|(n, body)| Message {
        id: Uuid::from_u128(n),
        routing_key: "user.registered".to_owned(),
        content_type: "application/cloudevents+json".to_owned(),
        body: body.as_bytes().to_vec(),
        traceparent: None,
    });
    let messages: Vec<_> = messages.collect();
    api.broker.publisher(Destination::Users).publish(&messages).await.expect("published");
    let mut subscription = api.broker.subscriber().subscribe(10).await.expect("subscribed");
    for _ in bodies {
        let delivery = subscription.next().await.expect("a delivery");
        subscription.settle(vec![(delivery.tag, Settlement::Reject)]).await.expect("settled");
    }
}

impl Api {
    async fn letters(&self, query: &str) -> Answer {
        self.send(Request::get(format!("{PATH}{query}")).body(Body::empty()).expect("a request")).await
    }

    async fn redrive(&self, body: Value) -> Answer {
        self.post_to(&format!("{PATH}/redrive"), "unused", body).await
    }

    async fn drop_letter(&self, id: &str) -> Answer {
        self.send(Request::delete(format!("{PATH}/{id}")).body(Body::empty()).expect("a request")).await
    }
}

const ADA: &str = r#"{"type":"a.v1","subject":"u1","data":{"email":"ada@example.com"}}"#;

#[tokio::test]
async fn letters_are_listed_without_and_read_with_what_they_hold() {
    let api = Api::start().await;
    assert_eq!(api.letters("").await.body, json!({"data": [], "total": 0, "counts": [], "complete": true}));
    bury(&api, &[ADA, "poison ada@example.com"]).await;
    let listed = api.letters("?limit=1").await;
    assert_eq!((listed.status, &listed.body["total"]), (StatusCode::OK, &json!(2)));
    let first = json!({
        "id": id(1), "type": "a.v1", "subject": "u1", "routing_key": "user.registered",
        "reason": "rejected", "dead_since": "2026-03-01T12:00:00Z", "attempts": 0,
    });
    assert_eq!(listed.body["data"], json!([first]));
    assert!(!api.letters("").await.body.to_string().contains("ada"), "a list gives nobody away");
    assert_eq!(api.letters("?type=a.v1").await.body["total"], 1);
    assert_eq!(api.letters("?since=2026-03-01T12:00:01Z").await.body["total"], 0);
    api.letters("?since=yesterday").await.is(400, "invalid_request");
    api.letters("?limit=0").await.is(400, "invalid_request");
    let read = api.letters(&format!("/{}", id(1))).await;
    assert_eq!(read.body["event"]["data"]["email"], "ada@example.com");
    let read = api.letters(&format!("/{}", id(2))).await;
    assert_eq!((&read.body["event"], &read.body["type"]), (&Value::Null, &Value::Null));
    assert_eq!(read.body["body_base64"], "cG9pc29uIGFkYUBleGFtcGxlLmNvbQ==");
    api.letters("/nothing").await.is(404, "dead_letter_not_found");
    api.stop().await;
}

#[tokio::test]
async fn letters_are_sent_back_and_dropped() {
    let api = Api::start().await;
    bury(&api, &[ADA, ADA, "poison"]).await;
    let preview = api.redrive(json!({"type": "a.v1", "limit": 1, "dry_run": true})).await;
    let expected = json!({
        "dry_run": true, "redriven": 1, "failed": [], "not_found": [], "left": 1, "complete": true,
        "counts": [{"type": "a.v1", "reason": "rejected", "count": 2}],
    });
    assert_eq!(preview.body, expected);
    let preview = api.redrive(json!({"ids": [id(1), id(9)], "dry_run": true})).await;
    assert_eq!((&preview.body["redriven"], &preview.body["not_found"]), (&json!(1), &json!([id(9)])));
    assert_eq!(api.letters("").await.body["total"], 3, "nothing was sent yet");
    let sent = api.redrive(json!({"type": "a.v1", "limit": 1})).await;
    assert_eq!((&sent.body["redriven"], &sent.body["left"]), (&json!(1), &json!(1)));
    let sent = api.redrive(json!({"ids": [id(2), id(9)]})).await;
    assert_eq!((&sent.body["redriven"], &sent.body["not_found"]), (&json!(1), &json!([id(9)])));
    assert_eq!(api.broker.depth().await.expect("there").queue, 2);
    assert_eq!(api.drop_letter(&id(3)).await.status, StatusCode::NO_CONTENT);
    api.drop_letter(&id(3)).await.is(404, "dead_letter_not_found");
    assert_eq!(api.letters("").await.body["total"], 0);
    for wrong in [json!({"limit": 0}), json!({"limit": 501}), json!({"ids": [""]}), json!({"all": true})] {
        api.redrive(wrong).await.is(400, "invalid_request");
    }
    api.stop().await;
}

#[tokio::test]
async fn who_hangs_up_does_not_stop_a_redrive_half_way() {
    let api = Api::start().await;
    bury(&api, &[ADA; 20]).await;
    // Polled once, and dropped.
    assert!(api.redrive(json!({})).now_or_never().is_none(), "it takes its time");
    eventually("all are sent back", async || api.broker.depth().await.expect("there").dead_letters == 0)
        .await;
    assert_eq!(api.broker.depth().await.expect("there").queue, 20);
    api.stop().await;
}

#[tokio::test]
async fn a_broker_out_of_reach_is_told_and_may_be_asked_again() {
    let api = Api::start_on("amqp://127.0.0.1:1").await;
    for answer in [
        api.letters("").await,
        api.letters(&format!("/{}", id(1))).await,
        api.redrive(json!({})).await,
        api.redrive(json!({"dry_run": true})).await,
        api.drop_letter(&id(1)).await,
    ] {
        answer.is(503, "broker_unavailable");
        assert_eq!(answer.header("retry-after"), Some("5"));
    }
    api.stop().await;
}
