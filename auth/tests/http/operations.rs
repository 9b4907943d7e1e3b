//! What operators and orchestrators see.

use std::sync::Arc;

use serde_json::json;

use crate::harness::{Auth, config};

#[tokio::test]
async fn a_lost_broker_degrades_and_registering_goes_on() {
    let auth = Auth::start().await;
    accrue_testkit::eventually("ready", async || {
        auth.get("/healthz/ready").await.json()["status"] == "ready"
    })
    .await;
    auth.published.send_away();
    let body = json!({"email": "ada@example.com", "password": "correct horse"});
    assert_eq!(auth.register(&body).await.status, 201);
    accrue_testkit::eventually("degraded", async || {
        let ready = auth.get("/healthz/ready").await;
        ready.status == 200 && ready.json()["status"] == "degraded"
    })
    .await;
    assert_eq!(auth.store.backlog().await.expect("an answer").depth, 1);
}

#[tokio::test]
async fn keys_that_cannot_be_opened_degrade() {
    let auth = Auth::start().await;
    let keys_are = async |auth: &Auth, status: &str, whole: &str, detail: Option<&str>| {
        accrue_testkit::eventually(&format!("signing_keys are {status}"), async || {
            let ready = auth.get("/healthz/ready").await;
            assert_eq!(ready.status, 200, "registering goes on");
            let body = ready.json();
            let check = body["checks"].as_array()?.iter().find(|check| check["name"] == "signing_keys")?;
            let is_as_expected = check["status"] == status && check["detail"].as_str() == detail;
            (is_as_expected && body["status"] == whole).then_some(())
        })
        .await;
    };
    keys_are(&auth, "up", "ready", None).await;
    // Another process over the same users, with other key-encryption keys.
    let stray = Auth::over(Arc::clone(&auth.store), &config(), accrue_testkit::data_dir());
    let detail = "none can sign: the key-encryption keys do not open it";
    keys_are(&stray, "down", "degraded", Some(detail)).await;
    let login = json!({"email": "ada@example.com", "password": "correct horse"});
    assert_eq!(stray.register(&login).await.status, 201);
    crate::signing_in::sign_in(&stray, &login).await.problem(503, "keys_unavailable");
}

#[tokio::test]
async fn a_stopping_process_is_not_ready() {
    let auth = Auth::start().await;
    auth.lifecycle.stop();
    let ready = auth.get("/healthz/ready").await;
    assert_eq!((ready.status.as_u16(), ready.json()["status"].clone()), (503, json!("unavailable")));
}

#[tokio::test]
async fn metrics_tell_of_registrations_hashes_and_the_outbox() {
    let auth = Auth::start().await;
    let body = json!({"email": "ada@example.com", "password": "correct horse"});
    auth.register_with_key("k-1", &body).await;
    auth.register_with_key("k-1", &body).await;
    auth.register(&body).await;
    auth.register(&json!({})).await;
    let text = String::from_utf8(auth.get("/metrics").await.bytes).expect("text");
    for line in [
        "user_registrations_total{outcome=\"registered\"}",
        "user_registrations_total{outcome=\"replayed\"}",
        "user_registrations_total{outcome=\"email_taken\"}",
        "user_registrations_total{outcome=\"invalid_request\"}",
        "password_hash_duration_seconds_count",
        "outbox_depth{service=\"auth\"} ",
        "outbox_oldest_age_seconds{service=\"auth\"} ",
        "http_request_duration_seconds_count{service=\"auth\",method=\"POST\",route=\"/v1/users\",status=\"201\"}",
    ] {
        assert!(text.contains(line), "{line} is missing in\n{text}");
    }
    assert!(!text.contains("ada@"));
}
