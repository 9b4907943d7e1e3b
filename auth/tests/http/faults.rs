//! Overload, a store that is away, a client that hangs up.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use tower::ServiceExt as _;

use crate::away::Away;
use crate::harness::{Auth, config, registration};

#[tokio::test]
async fn without_its_database_it_says_so_and_tells_nothing_else() {
    let auth = Auth::over(Arc::new(Away::default()), &config(), accrue_testkit::data_dir());
    let body = json!({"email": "ada@example.com", "password": "correct horse"});
    let token = auth.service_token("users:admin").await;
    let answers = [
        auth.register(&body).await,
        auth.register_with_key("k-1", &body).await,
        auth.ask_as(&token, "GET", "/v1/users/u1", None).await,
    ];
    for answer in &answers {
        answer.problem(503, "database_unavailable");
        let text = String::from_utf8_lossy(&answer.bytes);
        assert!(!text.contains("ada@") && !text.contains("10.0.0.7"), "{text}");
    }
    let garbled = auth.ask_as(&token, "GET", "/v1/users/garbled", None).await;
    garbled.problem(500, "internal_error");
    assert!(!String::from_utf8_lossy(&garbled.bytes).contains("ada@"));

    let ready = auth.get("/healthz/ready").await;
    assert_eq!(ready.status, 503);
    assert_eq!(ready.json()["status"], "unavailable");
    assert!(!String::from_utf8_lossy(&ready.bytes).contains("10.0.0.7"));
    assert_eq!(auth.get("/healthz/live").await.status, 200);
    assert_eq!(auth.get("/metrics").await.status, 200);
    // What is refused at the door does not need the database.
    auth.register(&json!({})).await.problem(400, "invalid_request");
}

#[tokio::test]
async fn passwords_beyond_the_queue_are_refused_and_the_rest_served() {
    let auth = Auth::with(accrue_auth::AuthConfig { hash_queue: 1, ..config() }).await;
    let tries = (0..60).map(|index| {
        let auth = &auth;
        let body = json!({"email": format!("user{index}@example.com"), "password": "correct horse"});
        async move { auth.register(&body).await }
    });
    let mut registered = 0;
    for answer in join_all(tries).await {
        if answer.status == 201 {
            registered += 1;
        } else {
            answer.problem(503, "overloaded");
        }
    }
    assert!((1..60).contains(&registered), "{registered} of 60");
    assert_eq!(auth.events_written().await, registered);
}

#[tokio::test]
async fn what_a_client_that_hung_up_began_is_done_whole_or_not_at_all() {
    let auth = Auth::start().await;
    auth.published.send_away();
    for steps in 0..30 {
        let body = json!({"email": format!("user{steps}@example.com"), "password": "correct horse"});
        let request = registration(body.to_string(), &[("idempotency-key", &format!("k-{steps}"))]);
        let call = auth.router.clone().oneshot(request);
        // Cut off after another moment each time: while it looks for the key, while
        // it hashes, while it writes, or when it is done.
        drop(tokio::time::timeout(Duration::from_millis(steps), call).await);
    }
    // Asked again, each is registered, once.
    for steps in 0..30 {
        let body = json!({"email": format!("user{steps}@example.com"), "password": "correct horse"});
        assert_eq!(auth.register_with_key(&format!("k-{steps}"), &body).await.status, 201);
    }
    assert_eq!(auth.events_written().await, 30);
}
