//! Registering a user and asking for them.

use accrue_events::user::{Decoded, UserEvent};
use axum::body::Body;
use axum::http::Request;
use serde_json::json;

use crate::harness::Auth;

#[tokio::test]
async fn a_registered_user_can_be_fetched_and_is_told_of() {
    let auth = Auth::start().await;
    let body = json!({"email": " Ada@Example.com ", "password": "correct horse", "display_name": " Ada "});
    let answer = auth.register(&body).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("idempotency-replayed"), None);
    let user = answer.json();
    let user_id = user["user_id"].as_str().expect("an id");
    assert_eq!(user["email"], "ada@example.com");
    assert_eq!(user["display_name"], "Ada");
    assert_eq!(user["status"], "active");
    assert!(user["created_at"].as_str().expect("a time").ends_with('Z'));
    assert_eq!((&user["username"], &user["email_verified"]), (&json!(null), &json!(false)));
    assert_eq!(user["roles"], json!([]));
    assert_eq!(user.as_object().expect("an object").len(), 8, "{user}");

    let location = answer.header("location").expect("where it is");
    assert_eq!(location, format!("/v1/users/{user_id}"));
    let token = auth.user_token(user_id).await;
    let found = auth.ask_as(&token, "GET", location, None).await;
    assert_eq!((found.status.as_u16(), found.json()), (200, user.clone()));

    // The relay is woken: it does not take its poll of a second.
    accrue_testkit::eventually("the event is published", async || auth.published.count() == 1).await;
    let Ok(Decoded::User(event)) = UserEvent::decode(&auth.published.messages()[0].body) else {
        panic!("no user event");
    };
    assert_eq!(event.user.user_id, user_id);
    assert_eq!(event.user.email.as_deref(), Some("ada@example.com"));
}

#[tokio::test]
async fn the_event_carries_the_trace_of_its_request() {
    let auth = Auth::start().await;
    let trace_id = "0af7651916cd43dd8448eb211c80319c";
    let request = Request::post("/v1/users")
        .header("content-type", "application/json")
        .header("traceparent", format!("00-{trace_id}-b7ad6b7169203331-01"))
        .body(Body::from(json!({"email": "ada@example.com", "password": "correct horse"}).to_string()))
        .expect("a request");
    let answer = auth.ask(request).await;
    assert_eq!(answer.header("request-id"), Some(trace_id));
    assert_eq!(answer.json()["display_name"], json!(null));
    accrue_testkit::eventually("the event is published", async || auth.published.count() == 1).await;
    let traceparent = auth.published.messages()[0].traceparent.clone().expect("a trace");
    assert!(traceparent.starts_with(&format!("00-{trace_id}-")), "{traceparent}");
}

#[tokio::test]
async fn an_address_is_taken_once_in_whatever_form() {
    let auth = Auth::start().await;
    let first = json!({"email": "ada@example.com", "password": "correct horse"});
    assert_eq!(auth.register(&first).await.status, 201);
    let again = json!({"email": " ADA@example.COM", "password": "another horse"});
    auth.register(&again).await.problem(409, "email_taken");
    auth.register_with_key("new", &again).await.problem(409, "email_taken");
    auth.register_with_key("new", &again).await.problem(409, "email_taken");
    assert_eq!(auth.events_written().await, 1);
}

#[tokio::test]
async fn ids_of_nobody_are_not_found() {
    let auth = Auth::start().await;
    let token = auth.service_token("users:admin").await;
    let long = "a".repeat(4_000);
    for id in ["nobody", "507f1f77bcf86cd799439011", "a%00b", "a%0Ab", "%27%20OR%201%3D1", &long] {
        auth.ask_as(&token, "GET", &format!("/v1/users/{id}"), None).await.problem(404, "user_not_found");
    }
    auth.ask_as(&token, "GET", "/v1/users/%FF", None).await.problem(400, "invalid_path");
}
