//! Asking again for a reply that was lost.

use futures_util::future::join_all;
use serde_json::json;

use crate::harness::{Auth, registration};

#[tokio::test]
async fn a_repeated_request_gets_the_first_reply() {
    let auth = Auth::start().await;
    let body = json!({"email": "ada@example.com", "password": "correct horse", "display_name": "Ada"});
    let first = auth.register_with_key("k-1", &body).await;
    assert_eq!(first.status, 201);
    // The same request as far as it means the same.
    let same = json!({"display_name": "Ada ", "password": "correct horse", "email": "ADA@example.com"});
    for repeated in [&body, &same, &body] {
        let answer = auth.register_with_key("k-1", repeated).await;
        assert_eq!(answer.status, 201);
        assert_eq!(answer.header("idempotency-replayed"), Some("true"));
        assert_eq!(answer.header("location"), first.header("location"));
        assert_eq!(answer.header("content-type"), first.header("content-type"));
        assert_eq!(answer.bytes, first.bytes, "not the same byte for byte");
    }
    assert_eq!(auth.events_written().await, 1);
}

#[tokio::test]
async fn a_key_is_good_for_one_request() {
    let auth = Auth::start().await;
    let body = json!({"email": "ada@example.com", "password": "correct horse"});
    assert_eq!(auth.register_with_key("k-1", &body).await.status, 201);
    for other in [
        json!({"email": "ada@example.com", "password": "another horse"}),
        json!({"email": "ida@example.com", "password": "correct horse"}),
        json!({"email": "ada@example.com", "password": "correct horse", "display_name": "Ada"}),
    ] {
        auth.register_with_key("k-1", &other).await.problem(422, "idempotency_key_reused");
    }
    auth.register_with_key("K-1", &body).await.problem(409, "email_taken");
    assert_eq!(auth.events_written().await, 1);
}

#[tokio::test]
async fn of_many_at_once_with_one_key_one_registers() {
    let auth = Auth::start().await;
    let body = json!({"email": "ada@example.com", "password": "correct horse"});
    let answers = join_all((0..12).map(|_| auth.register_with_key("k-1", &body))).await;
    let replayed = answers.iter().filter(|answer| answer.header("idempotency-replayed").is_some()).count();
    assert_eq!(replayed, 11);
    assert!(answers.iter().all(|answer| answer.status == 201 && answer.bytes == answers[0].bytes));
    assert_eq!(auth.events_written().await, 1);
}

#[tokio::test]
async fn a_refused_request_does_not_use_up_its_key() {
    let auth = Auth::start().await;
    let bad = json!({"email": "ada@example.com", "password": "short"});
    auth.register_with_key("k-1", &bad).await.problem(400, "invalid_request");
    let good = json!({"email": "ada@example.com", "password": "correct horse"});
    let answer = auth.register_with_key("k-1", &good).await;
    assert_eq!((answer.status.as_u16(), answer.header("idempotency-replayed")), (201, None));
}

#[tokio::test]
async fn keys_of_another_form_are_refused() {
    let auth = Auth::start().await;
    let body = json!({"email": "ada@example.com", "password": "correct horse"}).to_string();
    let long = "k".repeat(256);
    for key in ["", "two words", "k\u{e4}", &long] {
        let answer = auth.ask(registration(body.clone(), &[("idempotency-key", key)])).await;
        answer.problem(400, "invalid_idempotency_key");
    }
    let two = auth.ask(registration(body, &[("idempotency-key", "a"), ("idempotency-key", "b")])).await;
    two.problem(400, "invalid_idempotency_key");
    assert_eq!(auth.events_written().await, 0);
    let body = json!({"email": "ada@example.com", "password": "correct horse"});
    assert_eq!(auth.register_with_key(&long[1..], &body).await.status, 201);
}
