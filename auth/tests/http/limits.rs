//! Too many tries: refused, with the time to wait; and nobody is admitted uncounted.

use std::sync::Arc;

use accrue_auth::AuthConfig;
use accrue_auth::limits::{Rate, Rates};
use axum::body::Body;
use axum::http::Request;
use serde_json::json;

use crate::away::Away;
use crate::harness::{Auth, config, registration};

fn two_sign_ups(trusted_proxies: u8) -> AuthConfig {
    let limits = Rates { sign_up_by_peer: Rate { count: 2, window_s: 3_600 }, ..config().limits };
    AuthConfig { limits, trusted_proxies, ..config() }
}

fn sign_up(name: &str, forwarded_for: &str) -> Request<Body> {
    let body = json!({"email": format!("{name}@example.com"), "password": "correct horse"});
    registration(body.to_string(), &[("x-forwarded-for", forwarded_for)])
}

#[tokio::test]
async fn sign_ups_from_one_address_are_limited() {
    let auth = Auth::with(two_sign_ups(1)).await;
    for name in ["ada", "ida"] {
        assert_eq!(auth.ask(sign_up(name, "1.1.1.1")).await.status, 201);
    }
    let refused = auth.ask(sign_up("eda", "1.1.1.1")).await;
    refused.problem(429, "too_many_requests");
    let wait_s: u32 = refused.header("retry-after").expect("a wait").parse().expect("seconds");
    assert!((1..=3_600).contains(&wait_s), "{wait_s}");
    // What the client itself wrote into the header does not make it another.
    auth.ask(sign_up("eda", "9.9.9.9, 1.1.1.1")).await.problem(429, "too_many_requests");
    assert_eq!(auth.ask(sign_up("eda", "2.2.2.2")).await.status, 201);
    assert_eq!(auth.events_written().await, 3);
}

#[tokio::test]
async fn a_lost_reply_is_given_again_at_no_cost_and_another_request_is_not() {
    let auth = Auth::with(two_sign_ups(0)).await;
    let body = json!({"email": "ada@example.com", "password": "correct horse"});
    assert_eq!(auth.register_with_key("k-1", &body).await.status, 201);
    for _ in 0..4 {
        assert_eq!(auth.register_with_key("k-1", &body).await.status, 201);
    }
    let other = json!({"email": "ida@example.com", "password": "correct horse"});
    auth.register_with_key("k-1", &other).await.problem(422, "idempotency_key_reused");
    auth.register_with_key("k-1", &other).await.problem(429, "too_many_requests");
}

#[tokio::test]
async fn without_trusted_proxies_the_header_counts_for_nothing() {
    let auth = Auth::with(two_sign_ups(0)).await;
    for (name, from) in [("ada", "1.1.1.1"), ("ida", "2.2.2.2")] {
        assert_eq!(auth.ask(sign_up(name, from)).await.status, 201);
    }
    auth.ask(sign_up("eda", "3.3.3.3")).await.problem(429, "too_many_requests");
}

#[tokio::test]
async fn what_cannot_be_counted_is_not_admitted() {
    let auth = Auth::over(Arc::new(Away::default()), &config(), accrue_testkit::data_dir());
    auth.ask(sign_up("ada", "1.1.1.1")).await.problem(503, "database_unavailable");
}
