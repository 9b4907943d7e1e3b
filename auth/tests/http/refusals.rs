//! Requests that make no sense: each a problem that says what to do, nothing written.

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};

use crate::harness::{Auth, registration};

fn pointers(problem: &Value) -> Vec<&str> {
    let errors = problem["errors"].as_array().expect("errors");
    errors.iter().map(|error| error["pointer"].as_str().expect("a pointer")).collect()
}

#[tokio::test]
async fn every_field_that_is_wrong_is_named_at_once() {
    let auth = Auth::start().await;
    let wrong = json!({"email": "ada", "password": "short", "display_name": " "});
    let problem = auth.register(&wrong).await.problem(400, "invalid_request");
    assert_eq!(pointers(&problem), ["/email", "/password", "/display_name"]);
    let problem = auth.register(&json!({})).await.problem(400, "invalid_request");
    assert_eq!(pointers(&problem), ["/email", "/password"]);
    assert_eq!(problem["errors"][0]["code"], "required");
    let mixed = json!({"email": null, "password": "a".repeat(129), "display_name": "a".repeat(101)});
    let problem = auth.register(&mixed).await.problem(400, "invalid_request");
    assert_eq!(pointers(&problem), ["/email", "/password", "/display_name"]);
    assert_eq!(auth.events_written().await, 0);
}

#[tokio::test]
async fn bodies_that_do_not_fit_are_refused() {
    let auth = Auth::start().await;
    let (email, password) = ("ada@example.com", "correct horse");
    for (body, code) in [
        (String::new(), "malformed_json"),
        ("{".to_owned(), "malformed_json"),
        (r#"{"email":"ada@example.com","password":"correct horse"} x"#.to_owned(), "malformed_json"),
        (r#"{"email":"\ud800@example.com","password":"correct horse"}"#.to_owned(), "malformed_json"),
        ("[]".to_owned(), "invalid_request"),
        ("null".to_owned(), "invalid_request"),
        (json!({"email": 7, "password": password}).to_string(), "invalid_request"),
        (json!({"email": [email], "password": password}).to_string(), "invalid_request"),
        (json!({"email": email, "password": {"a": 1}}).to_string(), "invalid_request"),
        (json!({"email": email, "password": password, "role": "admin"}).to_string(), "invalid_request"),
        (json!({"email": email, "password": "correct\u{0}horse"}).to_string(), "invalid_request"),
        (
            json!({"email": email, "password": password, "display_name": "A\u{0}"}).to_string(),
            "invalid_request",
        ),
        (
            json!({"email": email, "password": password, "display_name": "A\nB"}).to_string(),
            "invalid_request",
        ),
    ] {
        auth.ask(registration(body, &[])).await.problem(400, code);
    }
    auth.ask(registration(vec![0xff, 0xfe], &[])).await.problem(400, "malformed_json");
    assert_eq!(auth.events_written().await, 0);
}

#[tokio::test]
async fn sizes_types_methods_and_paths_are_refused() {
    let auth = Auth::start().await;
    let large = json!({"email": "ada@example.com", "password": "a".repeat(17_000)});
    auth.register(&large).await.problem(413, "body_too_large");
    let form = Request::post("/v1/users")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from("email=ada@example.com"))
        .expect("a request");
    auth.ask(form).await.problem(415, "unsupported_media_type");
    for (method, path, allowed) in
        [("DELETE", "/v1/users", "POST,GET,HEAD"), ("POST", "/v1/users/me/password", "PUT")]
    {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).expect("a request");
        let answer = auth.ask(request).await;
        answer.problem(405, "method_not_allowed");
        assert_eq!(answer.header("allow"), Some(allowed), "{method} {path}");
    }
    for path in ["/", "/v1", "/v1/user", "/v1/users/x/y", "/v1/users/"] {
        auth.get(path).await.problem(404, "unknown_path");
    }
    assert_eq!(auth.events_written().await, 0);
}
