//! Signing up where addresses have to be verified tells nobody which ones are taken.

use accrue_auth::AuthConfig;
use accrue_auth::limits::{Rate, Rates};
use accrue_auth::mail::Delivery;
use serde_json::{Value, json};

use crate::harness::{Auth, config};
use crate::signing_in::sign_in;

/// Whose is registered and verified.
const TAKEN: &str = "ada@example.com";
/// Nobody's yet.
const FREE: &str = "ida@example.com";

/// An auth that has one verified user, and mail that goes into a directory.
async fn auth_with_ada(login_by_account: u32) -> (Auth, tempfile::TempDir) {
    let mail = accrue_testkit::data_dir();
    let rate = Rate { count: login_by_account, window_s: 86_400 };
    let mut config = AuthConfig { limits: Rates { login_by_account: rate, ..config().limits }, ..config() };
    config.mail.delivery = Some(Delivery::Directory(mail.path().to_owned()));
    config.mail.require_verified_email = true;
    let auth = Auth::with(config).await;
    let admin = auth.service_token("users:admin").await;
    let users =
        json!({"users": [{"email": TAKEN, "password": "correct horse battery", "email_verified": true}]});
    let request = axum::http::Request::post("/v1/users/batch")
        .header("authorization", format!("Bearer {admin}"))
        .header("content-type", "application/json")
        .header("idempotency-key", "k")
        .body(users.to_string().into());
    let made = auth.ask(request.expect("a request")).await;
    assert_eq!(made.json()["results"][0]["outcome"], "created", "{made:?}");
    (auth, mail)
}

fn credentials(email: &str, password: &str) -> Value {
    json!({"email": email, "password": password})
}

#[tokio::test]
async fn signing_in_after_signing_up_does_not_tell() {
    let (auth, _mail) = auth_with_ada(3).await;
    let mut answers = Vec::new();
    for email in [TAKEN, FREE] {
        let mine = credentials(email, "a horse of mine");
        assert_eq!(auth.register(&mine).await.status, 202);
        let mut told = Vec::new();
        // The tries run out alike, too.
        for _ in 0..4 {
            let answer = sign_in(&auth, &mine).await;
            told.push((answer.status, answer.json()["detail"].clone()));
        }
        answers.push(told);
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!((answers[0][2].0.as_u16(), answers[0][3].0.as_u16()), (401, 429));
}

#[tokio::test]
async fn signing_up_gives_no_new_tries_to_sign_in() {
    let (auth, _mail) = auth_with_ada(3).await;
    for email in [TAKEN, FREE] {
        for _ in 0..3 {
            sign_in(&auth, &credentials(email, "wrong horse")).await.problem(401, "invalid_credentials");
        }
        let mine = credentials(email, "a horse of mine");
        assert_eq!(auth.register(&mine).await.status, 202);
        sign_in(&auth, &mine).await.problem(429, "too_many_requests");
    }
}

#[tokio::test]
async fn a_key_that_came_with_an_address_does_not_tell() {
    for first in [TAKEN, FREE] {
        let (auth, _mail) = auth_with_ada(3).await;
        let before = auth.events_written().await;
        assert_eq!(auth.register_with_key("k-1", &credentials(first, "a horse of mine")).await.status, 202);
        // One's own address shows whether the key is used up: it is served, either way.
        let own = credentials("eve@example.com", "a horse of mine");
        for _ in 0..2 {
            assert_eq!(auth.register_with_key("k-1", &own).await.status, 202);
        }
        let made = usize::from(first == FREE);
        assert_eq!(auth.events_written().await, before + made + 1, "after {first}");
    }
}
