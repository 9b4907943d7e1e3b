//! Dead letters, looked after by an operator: by `accrue dlq` and over HTTP.

use std::process::{Command, Output, Stdio};

use accrue_events::broker::{Destination, Message, Publication, Settlement};
use accrue_testkit::eventually;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::system::{Reply, Shape, System, send};

const REGISTERED: &str = "accrue.user.registered.v1";
const PATH: &str = "/v1/admin/dead-letters";

fn message(body: Vec<u8>) -> Message {
    Message {
        id: Uuid::now_v7(),
        routing_key: "user.registered".to_owned(),
        content_type: "application/cloudevents+json".to_owned(),
        body,
        traceparent: None,
    }
}

fn registered(user_id: &str) -> Message {
    let event = json!({
        "specversion": "1.0", "id": Uuid::now_v7(), "source": "accrue/auth", "type": REGISTERED,
        "subject": user_id, "time": "2026-01-01T00:00:00Z",
        "data": {
            "user_id": user_id, "version": 1, "status": "active", "email": "eve@example.com",
            "registered_at": "2026-01-01T00:00:00Z",
        },
    });
    message(event.to_string().into_bytes())
}

/// Makes dead letters of messages, some of which accounting could have applied.
async fn bury(shape: &Shape, messages: &[Message]) {
    let broker = shape.broker();
    let mut publisher = broker.publisher(Destination::Users);
    publisher.connect().await.expect("connected");
    let outcomes = publisher.publish(messages).await.expect("published");
    assert!(outcomes.iter().all(|one| *one == Publication::Confirmed));
    let mut subscription = broker.subscriber().subscribe(10).await.expect("subscribed");
    for _ in messages {
        let delivery = subscription.next().await.expect("a delivery");
        subscription.settle(vec![(delivery.tag, Settlement::Reject)]).await.expect("settled");
    }
    drop(subscription);
    eventually("they are dead letters", async || {
        broker.depth().await.expect("the broker is there").dead_letters == messages.len() as u64
    })
    .await;
}

/// What it printed, once it exited with `code`.
fn said(output: &Output, code: i32) -> String {
    let all = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{all}");
    all
}

async fn ask(system: &System, method: Method, path: &str, body: Value) -> Reply {
    let request = system.service_request(method, &system.accounting, &format!("{PATH}{path}"));
    send(if body.is_null() { request } else { request.json(&body) }).await.expect("an answer")
}

pub(crate) async fn an_operator_looks_sends_back_and_drops(shape: Shape) {
    let (poison, first, second) = (message(b"poison".to_vec()), registered("u1"), registered("u2"));
    let [poison_id, first_id, second_id] = [&poison, &first, &second].map(|one| one.id.to_string());
    bury(&shape, &[poison, first, second]).await;
    let system = System::start(shape).await;

    let listed = said(&system.accrue(&["dlq", "list"]), 0);
    for word in [&poison_id, &first_id, REGISTERED, "u1", "rejected", "3 dead letter(s)"] {
        assert!(listed.contains(word), "{word} is missing in\n{listed}");
    }
    assert!(!listed.contains("eve@"), "{listed}");
    let listed = system.accrue(&["dlq", "list", "--json", "--type", REGISTERED]);
    let listed: Value = serde_json::from_slice(&listed.stdout).expect("JSON");
    assert_eq!((&listed["total"], listed["data"].as_array().map(Vec::len)), (&json!(2), Some(2)));
    assert!(said(&system.accrue(&["dlq", "show", &first_id]), 0).contains("eve@example.com"));
    assert!(said(&system.accrue(&["dlq", "show", &poison_id]), 0).contains("poison"));
    said(&system.accrue(&["dlq", "show", "nothing"]), 1);
    eventually("the gauge tells of them", async || {
        system.metric(&system.accounting, "broker_queue_depth").await == Some(3.0)
    })
    .await;

    let preview = said(&system.accrue(&["dlq", "redrive", "--type", REGISTERED, "--dry-run"]), 0);
    assert!(preview.contains("2 of them would be sent"), "{preview}");
    assert!(said(&system.accrue(&["dlq", "redrive", &first_id]), 2).contains("--yes"));
    assert_eq!(system.account("u1").await.status, 404, "nothing was sent yet");
    let sent = said(&system.accrue(&["dlq", "redrive", &first_id, "--yes", "--rate", "10"]), 0);
    assert!(sent.contains("1 sent back, 0 failed"), "{sent}");
    system.active_account("u1").await;
    said(&system.accrue(&["dlq", "redrive", &first_id, "--yes"]), 1);

    let reply = ask(&system, Method::GET, "", Value::Null).await;
    assert_eq!((reply.status, &reply.body["total"]), (200, &json!(2)), "{}", reply.body);
    let token = system.token_for(&["accounts:read"]).await;
    let stranger = system.request(Method::GET, &system.accounting, PATH).bearer_auth(token);
    assert_eq!(send(stranger).await.expect("an answer").status, 403);
    let reply = ask(&system, Method::POST, "/redrive", json!({"ids": [second_id]})).await;
    assert_eq!((reply.status, &reply.body["redriven"]), (200, &json!(1)), "{}", reply.body);
    system.active_account("u2").await;

    said(&system.accrue(&["dlq", "drop", &poison_id]), 0);
    said(&system.accrue(&["dlq", "drop", &poison_id]), 1);
    let reply = ask(&system, Method::DELETE, &format!("/{poison_id}"), Value::Null).await;
    assert_eq!((reply.status, &reply.body["code"]), (404, &json!("dead_letter_not_found")));
    assert!(said(&system.accrue(&["dlq", "list"]), 0).contains("0 dead letter(s)"));
    system.finish(0).await;
}

#[test]
fn exit_codes_tell_wrong_settings_from_a_broker_that_is_away() {
    let dir = accrue_testkit::data_dir();
    let accrue = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_accrue"));
        command.arg("dlq").args(args).env_clear().stdin(Stdio::null()).output().expect("the binary runs")
    };
    assert!(said(&accrue(&["list"]), 2).contains("where is the broker?"));
    assert!(said(&accrue(&["list", "--broker-url=kafka://u:hunter2@h"]), 2).contains("BROKER_URL"));
    let directory = dir.path().to_str().expect("text");
    assert!(said(&accrue(&["list", "--data-dir", directory]), 2).contains("there is no broker.db"));
    said(&accrue(&["list", "--since=yesterday", "--data-dir", directory]), 2);
    said(&accrue(&["redrive", "--rate=0", "--data-dir", directory]), 2);
    for command in [&["list"][..], &["show", "x"], &["drop", "x"], &["redrive", "--yes"]] {
        let told = said(&accrue(&[command, &["--broker-url=amqp://u:hunter2@127.0.0.1:1"]].concat()), 3);
        assert!(told.contains("the broker cannot be reached") && !told.contains("hunter2"), "{told}");
    }
}
