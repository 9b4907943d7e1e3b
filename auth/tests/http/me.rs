//! What users do with what is their own.

use accrue_events::user::{Decoded, UserEvent};
use serde_json::{Value, json};

use crate::harness::Auth;

/// Registers `name`@example.com and gives their id and a token.
pub(crate) async fn signed_up(auth: &Auth, name: &str) -> (String, String) {
    let body = json!({"email": format!("{name}@example.com"), "password": "correct horse"});
    let answer = auth.register(&body).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let user_id = answer.json()["user_id"].as_str().expect("an id").to_owned();
    let token = auth.user_token(&user_id).await;
    (user_id, token)
}

async fn login(auth: &Auth, email: &str, password: &str) -> u16 {
    let body = json!({"email": email, "password": password});
    let request = axum::http::Request::post("/v1/login")
        .header("content-type", "application/json")
        .body(body.to_string().into())
        .expect("a request");
    auth.ask(request).await.status.as_u16()
}

async fn patch(auth: &Auth, token: &str, body: Value) -> crate::harness::Answer {
    auth.ask_as(token, "PATCH", "/v1/users/me", Some(body)).await
}

#[tokio::test]
async fn a_user_sees_themselves_and_no_other() {
    let auth = Auth::start().await;
    let (ada, token) = signed_up(&auth, "ada").await;
    let (ida, _) = signed_up(&auth, "ida").await;
    let me = auth.ask_as(&token, "GET", "/v1/users/me", None).await;
    assert_eq!((me.status.as_u16(), &me.json()["user_id"]), (200, &json!(ada)));
    assert_eq!(auth.ask_as(&token, "GET", &format!("/v1/users/{ada}"), None).await.json(), me.json());
    let other = auth.ask_as(&token, "GET", &format!("/v1/users/{ida}"), None).await;
    assert_eq!(other.status, 404);
    auth.get("/v1/users/me").await.problem(401, "token_required");
    let service = auth.service_token("users:admin").await;
    auth.ask_as(&service, "GET", "/v1/users/me", None).await.problem(403, "insufficient_scope");
}

#[tokio::test]
async fn a_profile_changes_where_it_is_told_to() {
    let auth = Auth::start().await;
    let (_, token) = signed_up(&auth, "ada").await;
    let user = patch(&auth, &token, json!({"display_name": " Ada ", "username": "Ada.L"})).await.json();
    assert_eq!((&user["display_name"], &user["username"]), (&json!("Ada"), &json!("ada.l")));
    let user = patch(&auth, &token, json!({"display_name": null})).await.json();
    assert_eq!((&user["display_name"], &user["username"]), (&json!(null), &json!("ada.l")));
    let same = patch(&auth, &token, json!({})).await;
    assert_eq!((same.status.as_u16(), same.json()), (200, user));
    accrue_testkit::eventually("three events", async || auth.published.count() == 3).await;
    let last = auth.published.messages().pop().expect("an event");
    let Ok(Decoded::User(event)) = UserEvent::decode(&last.body) else { panic!("no user event") };
    assert_eq!((last.routing_key.as_str(), event.user.username.as_deref()), ("user.updated", Some("ada.l")));

    let (_, ida) = signed_up(&auth, "ida").await;
    patch(&auth, &ida, json!({"username": "ADA.L"})).await.problem(409, "username_taken");
    let wrong = json!({"username": "a", "display_name": "", "email": "x", "current_password": "short"});
    let problem = patch(&auth, &ida, wrong).await.problem(400, "invalid_request");
    assert_eq!(problem["errors"].as_array().expect("errors").len(), 4, "{problem}");
    patch(&auth, &ida, json!({"roles": ["admin"]})).await.problem(400, "invalid_request");
}

#[tokio::test]
async fn another_address_asks_for_the_password_and_is_not_verified() {
    let auth = Auth::start().await;
    let (user_id, token) = signed_up(&auth, "ada").await;
    let other = "countess@example.com";
    let problem = patch(&auth, &token, json!({"email": other})).await.problem(400, "invalid_request");
    assert_eq!(problem["errors"][0]["pointer"], "/current_password");
    let wrong = json!({"email": other, "current_password": "wrong horse"});
    patch(&auth, &token, wrong).await.problem(403, "wrong_password");
    let right = json!({"email": "Countess@Example.com", "current_password": "correct horse"});
    let user = patch(&auth, &token, right).await.json();
    assert_eq!((&user["email"], &user["email_verified"]), (&json!(other), &json!(false)));
    let epoch = auth.store.user(&user_id).await.expect("an answer").expect("the user").session_epoch;
    assert_eq!(epoch, 1);
    signed_up(&auth, "ada").await;
    let rival = json!({"email": "ada@example.com", "current_password": "correct horse"});
    patch(&auth, &token, rival).await.problem(409, "email_taken");
    // The same address is no change, and asks for nothing.
    assert_eq!(patch(&auth, &token, json!({"email": other})).await.status, 200);
}

#[tokio::test]
async fn another_password_takes_the_place_of_the_one_it_was() {
    let auth = Auth::start().await;
    let (user_id, token) = signed_up(&auth, "ada").await;
    let put = async |body: Value| auth.ask_as(&token, "PUT", "/v1/users/me/password", Some(body)).await;
    let body = json!({"current_password": "wrong horse", "new_password": "battery staple"});
    put(body).await.problem(403, "wrong_password");
    for new in ["short", "password1", "ada@example.com"] {
        let body = json!({"current_password": "correct horse", "new_password": new});
        let problem = put(body).await.problem(400, "invalid_request");
        assert_eq!(problem["errors"][0]["pointer"], "/new_password");
    }
    put(json!({})).await.problem(400, "invalid_request");
    let body = json!({"current_password": "correct horse", "new_password": "battery staple"});
    assert_eq!(put(body.clone()).await.status, 204);
    put(body).await.problem(403, "wrong_password");
    assert_eq!(login(&auth, "ada@example.com", "correct horse").await, 401);
    assert_eq!(login(&auth, "ada@example.com", "battery staple").await, 200);
    let epoch = auth.store.user(&user_id).await.expect("an answer").expect("the user").session_epoch;
    assert_eq!(epoch, 1);
}

#[tokio::test]
async fn who_leaves_takes_everything_along_and_the_address_is_free() {
    let auth = Auth::start().await;
    let body = json!({"email": "ada@example.com", "password": "correct horse"});
    let user_id = auth.register_with_key("k-1", &body).await.json()["user_id"].clone();
    let user_id = user_id.as_str().expect("an id");
    let token = auth.user_token(user_id).await;
    for _ in 0..2 {
        assert_eq!(auth.ask_as(&token, "DELETE", "/v1/users/me", None).await.status, 204);
    }
    auth.ask_as(&token, "GET", "/v1/users/me", None).await.problem(404, "user_not_found");
    patch(&auth, &token, json!({"display_name": "Ada"})).await.problem(404, "user_not_found");
    let problem = auth.register_with_key("k-1", &body).await.problem(409, "idempotency_key_expired");
    assert_eq!(problem["resource"], format!("/v1/users/{user_id}"));
    assert_eq!(login(&auth, "ada@example.com", "correct horse").await, 401);
    assert_eq!(auth.register(&body).await.status, 201);
}

#[tokio::test]
async fn a_key_whose_password_was_changed_answers_with_the_user_and_no_more() {
    let auth = Auth::start().await;
    let body = json!({"email": "ada@example.com", "password": "correct horse"});
    let user_id = auth.register_with_key("k-1", &body).await.json()["user_id"].clone();
    let token = auth.user_token(user_id.as_str().expect("an id")).await;
    let change = json!({"current_password": "correct horse", "new_password": "battery staple"});
    assert_eq!(auth.ask_as(&token, "PUT", "/v1/users/me/password", Some(change)).await.status, 204);
    for password in ["correct horse", "battery staple", "another horse"] {
        let body = json!({"email": "ada@example.com", "password": password});
        auth.register_with_key("k-1", &body).await.problem(409, "idempotency_key_expired");
    }
}

#[tokio::test]
async fn addresses_cannot_be_tried_out_one_after_the_other() {
    use accrue_auth::limits::{Rate, Rates};
    let limits = Rates::all(Rate { count: 3, window_s: 3_600 });
    let auth = Auth::with(accrue_auth::AuthConfig { limits, ..crate::harness::config() }).await;
    let (_, token) = signed_up(&auth, "ada").await;
    signed_up(&auth, "ida").await;
    let occupied = json!({"email": "ida@example.com", "current_password": "correct horse"});
    for _ in 0..3 {
        patch(&auth, &token, occupied.clone()).await.problem(409, "email_taken");
    }
    patch(&auth, &token, occupied).await.problem(429, "too_many_requests");
    assert_eq!(patch(&auth, &token, json!({"display_name": "Ada"})).await.status, 200);
}

#[tokio::test]
async fn guessing_with_a_stolen_token_is_limited() {
    use accrue_auth::limits::{Rate, Rates};
    let limits = Rates::all(Rate { count: 3, window_s: 3_600 });
    let auth = Auth::with(accrue_auth::AuthConfig { limits, ..crate::harness::config() }).await;
    let (_, token) = signed_up(&auth, "ada").await;
    let guesses = (0..12).map(|index| {
        let new = "battery staple";
        let body = json!({"current_password": format!("guess number {index}"), "new_password": new});
        auth.ask_as(&token, "PUT", "/v1/users/me/password", Some(body))
    });
    let answers = futures_util::future::join_all(guesses).await;
    let refused = answers.iter().filter(|answer| answer.status == 403).count();
    assert_eq!(refused, 3);
    assert_eq!(answers.iter().filter(|answer| answer.status == 429).count(), 9);
}

#[tokio::test]
async fn a_password_change_that_is_not_admitted_costs_no_hash() {
    use accrue_auth::limits::{Rate, Rates};
    use accrue_auth::passwords::HashCost;
    let limits = Rates::all(Rate { count: 3, window_s: 3_600 });
    let config = accrue_auth::AuthConfig { limits, ..crate::harness::config() };
    let auth = Auth::with(config.clone()).await;
    let (_, token) = signed_up(&auth, "ada").await;
    // Nothing can be hashed at this cost, so whoever tries is answered with 500.
    let hash_cost = HashCost { memory_kib: 0, passes: 0 };
    let config = accrue_auth::AuthConfig { hash_cost, ..config };
    let unable = Auth::over(auth.store.clone(), &config, accrue_testkit::data_dir());
    let body = json!({"current_password": "wrong horse", "new_password": "battery staple"});
    for expected in [500, 500, 500, 429, 429] {
        let answer = unable.ask_as(&token, "PUT", "/v1/users/me/password", Some(body.clone())).await;
        assert_eq!(answer.status, expected, "{answer:?}");
    }
}

#[tokio::test]
async fn of_many_changes_of_one_password_one_is_done() {
    let auth = Auth::start().await;
    let (user_id, token) = signed_up(&auth, "ada").await;
    let changes = (0..8).map(|index| {
        let new = format!("battery staple {index}");
        let body = json!({"current_password": "correct horse", "new_password": new});
        auth.ask_as(&token, "PUT", "/v1/users/me/password", Some(body))
    });
    let answers = futures_util::future::join_all(changes).await;
    let done: Vec<_> = (0..8).filter(|index| answers[*index].status == 204).collect();
    assert_eq!(done.len(), 1, "{answers:?}");
    for answer in answers.iter().filter(|answer| answer.status != 204) {
        assert!([403, 409].contains(&answer.status.as_u16()), "{answer:?}");
    }
    assert_eq!(login(&auth, "ada@example.com", &format!("battery staple {}", done[0])).await, 200);
    let epoch = auth.store.user(&user_id).await.expect("an answer").expect("the user").session_epoch;
    assert_eq!(epoch, 1);
}

async fn signed_in(auth: &Auth) -> Value {
    let body = json!({"email": "ada@example.com", "password": "correct horse"});
    let request = axum::http::Request::post("/v1/login")
        .header("content-type", "application/json")
        .body(body.to_string().into())
        .expect("a request");
    auth.ask(request).await.json()
}

async fn refresh(auth: &Auth, signed_in: &Value) -> u16 {
    let token = signed_in["refresh_token"].as_str().expect("a token");
    let request = axum::http::Request::post("/oauth2/token")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(format!("grant_type=refresh_token&refresh_token={token}").into())
        .expect("a request");
    auth.ask(request).await.status.as_u16()
}

#[tokio::test]
async fn a_new_password_ends_every_session_but_the_one_that_asks() {
    let auth = Auth::start().await;
    signed_up(&auth, "ada").await;
    let (this, other) = (signed_in(&auth).await, signed_in(&auth).await);
    let token = this["access_token"].as_str().expect("a token");
    // A change that ends nothing brings nothing back either.
    assert_eq!(patch(&auth, token, json!({"display_name": "Ada"})).await.status, 200);
    let body = json!({"current_password": "correct horse", "new_password": "battery staple"});
    assert_eq!(auth.ask_as(token, "PUT", "/v1/users/me/password", Some(body)).await.status, 204);
    assert_eq!(refresh(&auth, &other).await, 400);
    assert_eq!(refresh(&auth, &this).await, 200);
}
