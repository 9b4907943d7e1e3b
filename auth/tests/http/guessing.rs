//! Guessing passwords: limited, however parallel, and the time tells nothing.

use std::time::{Duration, Instant};

use accrue_auth::AuthConfig;
use accrue_auth::limits::{Rate, Rates};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::{Auth, config};
use crate::signing_in::{ada, sign_in, text};
use crate::timing::assert_alike;

fn limited(login_by_account: u32, login_by_peer: u32) -> AuthConfig {
    let rate = |count| Rate { count, window_s: 86_400 };
    let limits = Rates {
        login_by_account: rate(login_by_account),
        login_by_peer: rate(login_by_peer),
        ..config().limits
    };
    AuthConfig { limits, ..config() }
}

#[tokio::test]
async fn of_fifty_parallel_guesses_none_slips_past_the_limit() {
    let auth = Auth::with(limited(10, 1_000)).await;
    ada(&auth).await;
    // In many forms of the one name: they count together.
    let guesses = (0..50).map(|index| {
        let email = if index % 2 == 0 { "ada@example.com" } else { " ADA@Example.com" };
        let body = json!({"email": email, "password": format!("wrong horse {index}")});
        let auth = &auth;
        async move { sign_in(auth, &body).await }
    });
    let mut tried = 0;
    for answer in join_all(guesses).await {
        if answer.status == 429 {
            let wait_s: u32 = answer.header("retry-after").expect("a wait").parse().expect("seconds");
            assert!(wait_s >= 1);
        } else {
            answer.problem(401, "invalid_credentials");
            tried += 1;
        }
    }
    assert_eq!(tried, 10);
    let right = json!({"email": "ada@example.com", "password": "correct horse"});
    assert_eq!(sign_in(&auth, &right).await.status, 429, "not even the right one");
}

#[tokio::test]
async fn a_user_has_one_budget_by_all_their_names_and_nobody_has_as_much() {
    let auth = Auth::with(limited(6, 1_000)).await;
    let token = text(&ada(&auth).await, "access_token");
    let guess = async |names: [&str; 2]| {
        let guesses = (0..20).map(|index| {
            let body = match names[index % 2] {
                name if name.contains('@') => json!({"email": name, "password": "wrong horse"}),
                name => json!({"username": name, "password": "wrong horse"}),
            };
            let auth = &auth;
            async move { sign_in(auth, &body).await }
        });
        let answers = join_all(guesses).await;
        answers.iter().filter(|answer| answer.status == 401).count()
    };
    assert_eq!(guess(["ada@example.com", "Ada.L"]).await, 6);
    let right = json!({"username": "ada.l", "password": "correct horse"});
    sign_in(&auth, &right).await.problem(429, "too_many_requests");
    // Nor does a token that was stolen give more of them.
    let body = json!({"current_password": "correct horse", "new_password": "battery staple"});
    let change = auth.ask_as(&token, "PUT", "/v1/users/me/password", Some(body)).await;
    change.problem(429, "too_many_requests");
    // By one name, somebody and nobody have as many.
    assert_eq!(guess(["nobody@example.com", " Nobody@example.com "]).await, 6);
    assert_eq!(guess(["no.body", "NO.body"]).await, 6);
}

#[tokio::test]
async fn a_repeated_sign_up_gives_no_more_guesses_than_signing_in() {
    let auth = Auth::with(limited(4, 1_000)).await;
    let sign_up = |password: &str| json!({"email": "ada@example.com", "password": password});
    let first = auth.register_with_key("k-1", &sign_up("correct horse")).await;
    assert_eq!(first.status, 201);
    for _ in 0..6 {
        let again = auth.register_with_key("k-1", &sign_up("correct horse")).await;
        assert_eq!((again.status.as_u16(), &again.bytes), (201, &first.bytes), "what is right costs no try");
    }
    let guesses = (0..20).map(|index| {
        let (auth, body) = (&auth, sign_up(&format!("wrong horse {index}")));
        async move { auth.register_with_key("k-1", &body).await }
    });
    let answers = join_all(guesses).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 422).count(), 4);
    assert_eq!(answers.iter().filter(|answer| answer.status == 429).count(), 16);
    let again = auth.register_with_key("k-1", &sign_up("correct horse")).await;
    again.problem(429, "too_many_requests");
    let body = json!({"email": "ada@example.com", "password": "correct horse"});
    sign_in(&auth, &body).await.problem(429, "too_many_requests");
}

#[tokio::test]
async fn one_peer_cannot_try_one_password_on_everybody() {
    let auth = Auth::with(limited(1_000, 5)).await;
    for index in 0..5 {
        let body = json!({"email": format!("user{index}@example.com"), "password": "correct horse"});
        sign_in(&auth, &body).await.problem(401, "invalid_credentials");
    }
    let body = json!({"email": "user5@example.com", "password": "correct horse"});
    assert_eq!(sign_in(&auth, &body).await.status, 429);
}

#[tokio::test]
async fn signing_in_costs_no_tries() {
    let auth = Auth::with(limited(3, 3)).await;
    ada(&auth).await;
    for _ in 0..6 {
        let body = json!({"email": "ada@example.com", "password": "correct horse"});
        assert_eq!(sign_in(&auth, &body).await.status, 200);
    }
}

#[tokio::test]
async fn the_time_does_not_tell_who_is_there() {
    let auth = Auth::start().await;
    ada(&auth).await;
    let time = async |body| {
        let start = Instant::now();
        sign_in(&auth, &body).await.problem(401, "invalid_credentials");
        start.elapsed()
    };
    let kinds = [
        json!({"email": "ada@example.com", "password": "wrong horse"}),
        json!({"email": "nobody@example.com", "password": "wrong horse"}),
        json!({"email": "ada@example.com", "password": "short"}),
    ];
    assert_alike("signing in", &kinds, async |kind: &Value| time(kind.clone()).await).await;
    // Nobody's password is compared with a dummy, and not refused at once.
    assert!(time(kinds[1].clone()).await > Duration::from_millis(1));
}

#[tokio::test]
async fn the_state_of_a_user_is_told_only_to_who_knows_the_password() {
    let auth = Auth::start().await;
    let signed_in = ada(&auth).await;
    let admin = auth.service_token("users:admin").await;
    let path = format!("/v1/users/{}/deactivate", text(&signed_in, "user_id"));
    let answer = auth.ask_as(&admin, "POST", &path, None).await;
    assert!(answer.status.is_success(), "{answer:?}");
    let wrong = json!({"email": "ada@example.com", "password": "wrong horse"});
    sign_in(&auth, &wrong).await.problem(401, "invalid_credentials");
    let right = json!({"email": "ada@example.com", "password": "correct horse"});
    sign_in(&auth, &right).await.problem(403, "user_deactivated");
}
