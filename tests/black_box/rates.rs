//! Units in place of credits: priced once, and never again.

use reqwest::Method;
use serde_json::{Value, json};

use crate::system::{Reply, Shape, System, send};

async fn put(system: &System, body: Value) -> Reply {
    let request = system.service_request(Method::PUT, &system.accounting, "/v1/rates/chat");
    send(request.json(&body)).await.expect("an answer")
}

async fn post(system: &System, path: &str, key: &str, body: Value) -> Reply {
    let request = system.service_request(Method::POST, &system.accounting, path);
    send(request.header("Idempotency-Key", key).json(&body)).await.expect("an answer")
}

pub(crate) async fn units_are_priced_across_restarts(shape: Shape) {
    let mut system = System::start(shape).await;
    let user_id = system.register("ada").await;
    system.allocate(&user_id, 1_000, "first").await.expect("an answer");
    let card = |credits: &str| json!({"units": {"tokens": {"credits": credits, "per": 1000}}});
    assert_eq!(put(&system, card("2.5")).await.status, 201);
    let usage = format!("/v1/accounts/{user_id}/usage");
    let order = json!({"resource": "chat", "units": {"tokens": 4001}});
    let quoted = post(&system, "/v1/rates/quote", "-", order.clone()).await;
    assert_eq!((quoted.status, &quoted.body["exact"]), (200, &json!("10.0025")), "{}", quoted.body);
    let spent = post(&system, &usage, "spend", order.clone()).await;
    assert_eq!((spent.status, &spent.body["usage"]["credits"]), (201, &json!(11)), "{}", spent.body);

    system.kill_and_restart().await;
    assert_eq!(put(&system, card("2.5")).await.status, 200);
    assert_eq!(put(&system, card("7")).await.body["version"], 2);
    let again = post(&system, &usage, "spend", order.clone()).await;
    assert_eq!((again.status, &again.bytes), (201, &spent.bytes));
    let dearer = post(&system, &usage, "another", order).await;
    assert_eq!(
        [&dearer.body["usage"]["credits"], &dearer.body["usage"]["rate_version"]],
        [&json!(29), &json!(2)]
    );
    assert_eq!(dearer.body["balance"]["available"], 1_000 - 11 - 29);
    let shown = system.get(&system.accounting, "/v1/rates/chat").await.expect("an answer");
    assert_eq!(shown.body["in_force"]["version"], 2);
    system.finish(0).await;
}
