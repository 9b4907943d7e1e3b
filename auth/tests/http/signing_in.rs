//! Signing in, and what comes of it.

use std::sync::Arc;

use accrue_auth::tokens::{KeyRing, TokenIssuer};
use accrue_chassis::clock::{SharedClock, SystemClock};
use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};

use crate::harness::{Answer, Auth};

/// Asks as somebody who signs in.
pub(crate) async fn sign_in(auth: &Auth, body: &Value) -> Answer {
    let request = Request::post("/v1/login")
        .header("content-type", "application/json")
        .header("user-agent", "a test/1.0")
        .body(Body::from(body.to_string()))
        .expect("a request");
    auth.ask(request).await
}

/// Registers ada and signs her in.
pub(crate) async fn ada(auth: &Auth) -> Value {
    let body = json!({"email": "ada@example.com", "password": "correct horse", "username": "ada.l"});
    assert_eq!(auth.register(&body).await.status, 201);
    let answer = sign_in(auth, &json!({"email": "ada@example.com", "password": "correct horse"})).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

fn clock() -> SharedClock {
    Arc::new(SystemClock)
}

/// A text of an answer.
pub(crate) fn text(body: &Value, name: &str) -> String {
    body[name].as_str().unwrap_or_else(|| panic!("{name} is missing in {body}")).to_owned()
}

#[tokio::test]
async fn whoever_signs_in_gets_tokens_that_are_good() {
    let auth = Auth::start().await;
    let signed_in = ada(&auth).await;
    assert_eq!(
        (signed_in["token_type"].clone(), signed_in["expires_in"].clone()),
        (json!("Bearer"), json!(900))
    );
    assert_eq!(signed_in["scope"], "me");
    let token = text(&signed_in, "access_token");
    let me = auth.ask_as(&token, "GET", &format!("/v1/users/{}", text(&signed_in, "user_id")), None).await;
    assert_eq!((me.status.as_u16(), me.json()["email"].clone()), (200, json!("ada@example.com")));
    let by_name = sign_in(&auth, &json!({"username": " ADA.l", "password": "correct horse"})).await;
    assert_eq!(by_name.status, 200, "{by_name:?}");
    assert_eq!(by_name.header("cache-control"), Some("no-store"));
    assert_ne!(by_name.json()["refresh_token"], signed_in["refresh_token"]);
}

#[tokio::test]
async fn nobody_learns_from_the_answer_who_is_there() {
    let auth = Auth::start().await;
    ada(&auth).await;
    let mut answers = Vec::new();
    for (email, password) in [
        ("ada@example.com", "wrong horse"),
        ("ida@example.com", "correct horse"),
        ("no address at all", "correct horse"),
        ("ada@example.com", "short"),
        ("ada@example.com", ""),
    ] {
        let answer = sign_in(&auth, &json!({"email": email, "password": password})).await;
        answers.push(answer.problem(401, "invalid_credentials"));
        assert!(answer.header("www-authenticate").is_some());
    }
    assert!(answers.iter().all(|answer| answer == &answers[0]), "{answers:?}");
}

#[tokio::test]
async fn requests_that_make_no_sense_are_refused() {
    let auth = Auth::start().await;
    for body in [
        json!({}),
        json!({"email": "ada@example.com"}),
        json!({"password": "correct horse"}),
        json!({"email": "a@b.c", "username": "abc", "password": "correct horse"}),
        json!({"email": "a@b.c", "password": "correct horse", "remember": true}),
        json!({"email": "a@b.c", "password": "correct\u{0}horse"}),
    ] {
        sign_in(&auth, &body).await.problem(400, "invalid_request");
    }
}

#[tokio::test]
async fn sessions_are_listed_and_ended() {
    let auth = Auth::start().await;
    let first = ada(&auth).await;
    let second = sign_in(&auth, &json!({"username": "ada.l", "password": "correct horse"})).await.json();
    let (first_token, token) = (text(&first, "access_token"), text(&second, "access_token"));
    let list = async |token: &str, query: &str| {
        auth.ask_as(token, "GET", &format!("/v1/users/me/sessions{query}"), None).await
    };
    let sessions = list(&token, "").await.json();
    let data = sessions["data"].as_array().expect("sessions");
    assert_eq!((data.len(), sessions["next_cursor"].clone()), (2, Value::Null));
    assert_eq!((&data[0]["device"], &data[0]["is_current"]), (&json!("a test/1.0"), &json!(true)));
    let page = list(&token, "?limit=1").await.json();
    let next = list(&token, &format!("?limit=1&cursor={}", text(&page, "next_cursor"))).await.json();
    assert_eq!((&page["data"][0], &next["data"][0]), (&data[0], &data[1]));
    assert_eq!(next["next_cursor"], Value::Null);
    for query in ["?limit=0", "?limit=201", "?limit=x"] {
        list(&token, query).await.problem(400, "invalid_query");
    }
    list(&token, "?cursor=x").await.problem(400, "invalid_cursor");

    let path = format!("/v1/users/me/sessions/{}", text(&data[1], "session_id"));
    assert_eq!(auth.ask_as(&token, "DELETE", &path, None).await.status, 204);
    auth.ask_as(&token, "DELETE", &path, None).await.problem(404, "session_not_found");
    auth.ask_as(&token, "DELETE", "/v1/users/me/sessions/x", None).await.problem(404, "session_not_found");
    assert_eq!(list(&first_token, "").await.json()["data"].as_array().map(Vec::len), Some(1));

    ada_again(&auth).await;
    for misspelled in ["except-current=true", "except_current=true&x=1", "all"] {
        let path = format!("/v1/users/me/sessions?{misspelled}");
        auth.ask_as(&token, "DELETE", &path, None).await.problem(400, "invalid_query");
    }
    list(&token, "?limits=1").await.problem(400, "invalid_query");
    assert_eq!(list(&token, "").await.json()["data"].as_array().map(Vec::len), Some(2), "none has ended");
    let others = "/v1/users/me/sessions?except_current=true";
    assert_eq!(auth.ask_as(&token, "DELETE", others, None).await.status, 204);
    assert_eq!(list(&token, "").await.json()["data"].as_array().map(Vec::len), Some(1));
    assert_eq!(auth.ask_as(&token, "POST", "/v1/logout", None).await.status, 204);
    assert_eq!(auth.ask_as(&token, "POST", "/v1/logout", None).await.status, 204);
    assert_eq!(list(&token, "").await.json()["data"], json!([]));
}

async fn ada_again(auth: &Auth) {
    let body = json!({"username": "ada.l", "password": "correct horse"});
    assert_eq!(sign_in(auth, &body).await.status, 200);
}

#[tokio::test]
async fn another_users_sessions_are_out_of_reach() {
    let auth = Auth::start().await;
    let ada = ada(&auth).await;
    let ida = json!({"email": "ida@example.com", "password": "correct horse"});
    auth.register(&ida).await;
    let ida = text(&sign_in(&auth, &ida).await.json(), "access_token");
    let sessions =
        auth.ask_as(&text(&ada, "access_token"), "GET", "/v1/users/me/sessions", None).await.json();
    let path = format!("/v1/users/me/sessions/{}", text(&sessions["data"][0], "session_id"));
    auth.ask_as(&ida, "DELETE", &path, None).await.problem(404, "session_not_found");
    assert_eq!(auth.ask_as(&ida, "DELETE", "/v1/users/me/sessions", None).await.status, 204);
    let sessions =
        auth.ask_as(&text(&ada, "access_token"), "GET", "/v1/users/me/sessions", None).await.json();
    assert_eq!(sessions["data"].as_array().map(Vec::len), Some(1));
    let service = auth.service_token("users:admin").await;
    auth.ask_as(&service, "GET", "/v1/users/me/sessions", None).await.problem(403, "insufficient_scope");
    auth.get("/v1/users/me/sessions").await.problem(401, "token_required");
}

#[tokio::test]
async fn tokens_of_another_issuer_are_refused() {
    let auth = Auth::start().await;
    let config = crate::harness::config();
    let keys = config.tokens.key_encryption_keys.clone().expect("keys");
    let stranger = Auth::with(config.clone()).await;
    let ring = KeyRing::new(Arc::clone(&stranger.store), keys, &config.tokens, clock());
    let issuer = TokenIssuer::new(ring, "http://127.0.0.1:0".to_owned(), &config.tokens, clock());
    let forged = issuer.for_client("mallory", &accrue_chassis::tokens::Scopes::parse("users:admin")).await;
    let forged = forged.expect("a token").token;
    let answer = auth.ask_as(&forged, "GET", "/v1/users", None).await;
    answer.problem(401, "invalid_token");
    assert!(answer.header("www-authenticate").expect("a challenge").contains("invalid_token"));
}
