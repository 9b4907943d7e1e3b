//! Password hashes that were made at another cost.

use std::sync::Arc;

use accrue_auth::AuthConfig;
use accrue_auth::passwords::HashCost;
use axum::http::Request;
use secrecy::ExposeSecret as _;
use serde_json::json;

use crate::harness::{Auth, config};
use crate::me::signed_up;

async fn login(auth: &Auth, password: &str) -> u16 {
    let body = json!({"email": "ada@example.com", "password": password});
    let request = Request::post("/v1/login").header("content-type", "application/json");
    auth.ask(request.body(body.to_string().into()).expect("a request")).await.status.as_u16()
}

#[tokio::test]
async fn a_hash_of_another_cost_is_made_anew_at_the_next_sign_in() {
    let cheap = AuthConfig { hash_cost: HashCost { memory_kib: 64, passes: 1 }, ..config() };
    let before = Auth::with(cheap.clone()).await;
    let (user_id, _) = signed_up(&before, "ada").await;
    let hash = async || {
        let login = before.store.login_of(&user_id).await.expect("an answer").expect("the user");
        login.password_hash.expect("a hash").expose_secret().to_owned()
    };
    assert!(hash().await.contains("$m=64,t=1,"));

    let dearer = AuthConfig { hash_cost: HashCost { memory_kib: 128, passes: 2 }, ..cheap };
    let after = Auth::over(Arc::clone(&before.store), &dearer, accrue_testkit::data_dir());
    assert_eq!(login(&after, "wrong horse").await, 401);
    assert!(hash().await.contains("$m=64,t=1,"), "a wrong password upgrades nothing");
    assert_eq!(login(&after, "correct horse").await, 200);
    let upgraded = hash().await;
    assert!(upgraded.contains("$m=128,t=2,"), "{upgraded}");
    assert_eq!(login(&after, "correct horse").await, 200);
    assert_eq!(hash().await, upgraded, "a hash that costs enough stays");
    assert_eq!(before.events_written().await, 1, "no event tells of it");
}
