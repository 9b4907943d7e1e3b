//! What ends a session, and that nothing of it works afterwards.

use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::harness::{Answer, Auth};
use crate::signing_in::{ada, sign_in, text};

fn refreshing(token: &str) -> Request<Body> {
    Request::post("/oauth2/token")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from(format!("grant_type=refresh_token&refresh_token={token}")))
        .expect("a request")
}

async fn refresh(auth: &Auth, token: &str) -> Answer {
    auth.ask(refreshing(token)).await
}

async fn is_refused(auth: &Auth, signed_in: &Value) -> bool {
    let answer = refresh(auth, &text(signed_in, "refresh_token")).await;
    answer.status == 400 && answer.json()["error"] == "invalid_grant"
}

#[tokio::test]
async fn another_password_ends_every_other_session() {
    let auth = Auth::start().await;
    let elsewhere = ada(&auth).await;
    let before = json!({"username": "ada.l", "password": "correct horse"});
    let signed_in = sign_in(&auth, &before).await.json();
    let body = json!({"current_password": "correct horse", "new_password": "another battery"});
    let token = text(&signed_in, "access_token");
    let changed = auth.ask_as(&token, "PUT", "/v1/users/me/password", Some(body)).await;
    assert!(changed.status.is_success(), "{changed:?}");
    assert!(is_refused(&auth, &elsewhere).await);
    assert_eq!(refresh(&auth, &text(&signed_in, "refresh_token")).await.status, 200);
    sign_in(&auth, &before).await.problem(401, "invalid_credentials");
    let again = sign_in(&auth, &json!({"username": "ada.l", "password": "another battery"})).await;
    assert_eq!(again.status, 200);
}

#[tokio::test]
async fn a_deactivated_users_sessions_do_not_come_back() {
    let auth = Auth::start().await;
    let signed_in = ada(&auth).await;
    let admin = auth.service_token("users:admin").await;
    for verb in ["deactivate", "reactivate"] {
        let path = format!("/v1/users/{}/{verb}", text(&signed_in, "user_id"));
        let answer = auth.ask_as(&admin, "POST", &path, None).await;
        assert!(answer.status.is_success(), "{answer:?}");
        assert!(is_refused(&auth, &signed_in).await, "after {verb}");
    }
}

#[tokio::test]
async fn signing_out_ends_the_session() {
    let auth = Auth::start().await;
    let signed_in = ada(&auth).await;
    let token = text(&signed_in, "access_token");
    assert_eq!(auth.ask_as(&token, "POST", "/v1/logout", None).await.status, 204);
    assert!(is_refused(&auth, &signed_in).await);
}

#[tokio::test]
async fn a_token_that_outlives_its_session_erases_nobody() {
    let auth = Auth::start().await;
    let signed_out = text(&ada(&auth).await, "access_token");
    let before = json!({"username": "ada.l", "password": "correct horse"});
    let elsewhere = text(&sign_in(&auth, &before).await.json(), "access_token");
    let here = text(&sign_in(&auth, &before).await.json(), "access_token");
    assert_eq!(auth.ask_as(&signed_out, "POST", "/v1/logout", None).await.status, 204);
    let body = json!({"current_password": "correct horse", "new_password": "another battery"});
    assert_eq!(auth.ask_as(&here, "PUT", "/v1/users/me/password", Some(body)).await.status, 204);
    for token in [&signed_out, &elsewhere] {
        let refused = auth.ask_as(token, "DELETE", "/v1/users/me", None).await;
        refused.problem(401, "invalid_token");
        assert!(refused.header("www-authenticate").expect("a challenge").contains("invalid_token"));
    }
    assert_eq!(auth.ask_as(&here, "GET", "/v1/users/me", None).await.status, 200, "she is there");
    // Asked for again, because the reply was lost, it is done already.
    for _ in 0..2 {
        assert_eq!(auth.ask_as(&here, "DELETE", "/v1/users/me", None).await.status, 204);
    }
    auth.ask_as(&here, "GET", "/v1/users/me", None).await.problem(404, "user_not_found");
}

#[tokio::test]
async fn a_refresh_cut_off_leaves_one_good_token_at_most() {
    let auth = Auth::start().await;
    let mut signed_in = ada(&auth).await;
    for steps in 0..20 {
        let old = text(&signed_in, "refresh_token");
        // Cut off after another moment each time, as by a client or a process that is gone.
        let call = auth.router.clone().oneshot(refreshing(&old));
        drop(tokio::time::timeout(Duration::from_micros(steps * 300), call).await);
        let again = refresh(&auth, &old).await;
        signed_in = if again.status == 200 {
            let next = again.json();
            assert!(is_refused(&auth, &json!({"refresh_token": old})).await, "it was used up");
            next
        } else {
            // The exchange was done, and its reply lost: the way on is the password.
            assert_eq!(again.json()["error"], "invalid_grant");
            sign_in(&auth, &json!({"username": "ada.l", "password": "correct horse"})).await.json()
        };
    }
    assert_eq!(refresh(&auth, &text(&signed_in, "refresh_token")).await.status, 200);
}
