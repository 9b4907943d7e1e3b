//! Looks at two services of the test's own, that answer as real ones rarely do.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use accrue_chassis::clock::{Clock as _, SystemClock, to_millis};
use accrue_events::user::VERSION_LIMIT;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use url::Url;

use super::args::Manner;
use super::finding::Kind;
use super::look::Look;
use super::services::Services;
use super::tally::Tally;

/// Both services at one address.
async fn services(routes: Router) -> Services {
    drop(rustls::crypto::ring::default_provider().install_default());
    let token = json!({"access_token": "t", "token_type": "Bearer", "expires_in": 600});
    let both = routes.route("/oauth2/token", post(async || Json(token)));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = Url::parse(&format!("http://{}", listener.local_addr().expect("an address"))).expect("a URL");
    #[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
    tokio::spawn(async move { axum::serve(listener, both).await });
    Services::new((url.clone(), url), ("id".to_owned(), "secret".to_owned().into())).expect("a client")
}

fn page(rows: &[Value]) -> Json<Value> {
    Json(json!({"data": rows, "next_after": null}))
}

fn user(user_id: &str, version: i64) -> Value {
    json!({"user_id": user_id, "version": version, "status": "active"})
}

fn account(user_id: &str, version: Option<i64>, status: &str) -> Value {
    json!({
        "user_id": user_id, "user_version": version, "status": status, "available": 5, "reserved": 0,
        "pending": 0, "created_at": "2026-01-02T03:04:05Z",
    })
}

fn not_found(code: &str) -> Response {
    (StatusCode::NOT_FOUND, Json(json!({"code": code}))).into_response()
}

async fn look(services: &Services, grace: Duration) -> anyhow::Result<Tally> {
    look_and(false, services, grace).await
}

async fn look_and(repairs: bool, services: &Services, grace: Duration) -> anyhow::Result<Tally> {
    let manner = Manner { is_repeated: false, repairs, grace, placeholder_age: Duration::ZERO };
    let mut look = Look::new(services, manner);
    look.at_all().await?;
    Ok(look.into_tally())
}

#[tokio::test]
async fn a_404_of_somebody_else_is_not_taken_for_nobody() {
    let of_users = |code: &'static str| {
        Router::new()
            .route("/v1/user-versions", get(async || page(&[])))
            .route("/v1/user-versions/{id}", get(async move || not_found(code)))
            .route("/v1/account-versions", get(async || page(&[account("u1", Some(1), "active")])))
            .route("/v1/account-versions/{id}", get(async || Json(account("u1", Some(1), "active"))))
    };
    let told = look(&services(of_users("user_not_found")).await, Duration::ZERO).await.expect("a whole look");
    assert_eq!(told.of(Kind::Orphaned), 1);
    let proxy = services(of_users("no_such_route")).await;
    let error = look(&proxy, Duration::ZERO).await.expect_err("nobody says that there is no such user");
    assert!(format!("{error:#}").contains("no_such_route"), "{error:#}");
}

#[tokio::test]
async fn ids_that_no_url_can_name_hold_nothing_up() {
    let routes = Router::new()
        .route("/v1/user-versions", get(async || page(&[])))
        .route("/v1/user-versions/{id}", get(async || not_found("user_not_found")))
        .route(
            "/v1/account-versions",
            get(async || page(&[account("..", None, "placeholder"), account("u1", None, "placeholder")])),
        )
        .route("/v1/account-versions/{id}", get(async || Json(account("u1", None, "placeholder"))));
    let told = look(&services(routes).await, Duration::ZERO).await.expect("a whole look");
    assert_eq!(told.of(Kind::Surplus), 1);
}

#[tokio::test]
async fn a_version_that_none_can_follow_takes_no_other_repair_along() {
    let asked = Arc::new(OnceLock::new());
    let (published, known) = (Arc::clone(&asked), Arc::clone(&asked));
    let replays = async move |Json(body): Json<Value>| {
        let ids: Vec<_> =
            body["users"].as_array().expect("users").iter().map(|one| one["user_id"].clone()).collect();
        published.set(Value::from(ids)).expect("asked once");
        (StatusCode::ACCEPTED, Json(json!({"data": [{"user_id": "u2", "outcome": "queued"}]})))
    };
    // What was asked for comes about.
    let account_now = async move |Path(id): Path<String>| {
        let version = if id == "u1" { VERSION_LIMIT - 1 } else { known.get().map_or(1, |_| 2) };
        Json(account(&id, Some(version), "active"))
    };
    let all =
        async || page(&[account("u1", Some(VERSION_LIMIT - 1), "active"), account("u2", Some(1), "active")]);
    let routes = Router::new()
        .route("/v1/user-versions", get(async || page(&[user("u1", 2), user("u2", 2)])))
        .route("/v1/user-versions/{id}", get(async |Path(id): Path<String>| Json(user(&id, 2))))
        .route("/v1/account-versions", get(all))
        .route("/v1/account-versions/{id}", get(account_now))
        .route("/v1/replays", post(replays));
    let told = look_and(true, &services(routes).await, Duration::ZERO).await.expect("a whole look");
    assert_eq!((told.of(Kind::Ahead), told.of(Kind::Stale)), (1, 1), "{told}");
    assert_eq!(asked.get(), Some(&json!(["u2"])));
    assert!(told.to_string().contains("1 repaired"), "{told}");
}

/// Two services of which auth's user changes just before the first look by id, which comes to
/// accounting `later`, or not at all.
async fn changing(later: bool) -> Services {
    let changed = Arc::new(OnceLock::new());
    let arrived = Arc::clone(&changed);
    // The account is asked for first, each time.
    let account_now = async move || {
        let version = arrived.get().copied().filter(|_| later).unwrap_or(2);
        Json(account("u1", Some(version), "active"))
    };
    let user_now = async move || {
        let version = *changed.get_or_init(|| to_millis(SystemClock.now()));
        Json(user("u1", version))
    };
    services(
        Router::new()
            .route("/v1/user-versions", get(async || page(&[user("u1", 2)])))
            .route("/v1/user-versions/{id}", get(user_now))
            .route("/v1/account-versions", get(async || page(&[account("u1", Some(1), "active")])))
            .route("/v1/account-versions/{id}", get(account_now)),
    )
    .await
}

#[tokio::test]
async fn who_changes_while_it_looks_has_the_time_for_that_too() {
    let grace = Duration::from_secs(2);
    let told = look(&changing(true).await, grace).await.expect("a whole look");
    assert!(told.is_settled(), "{told}");
    let told = look(&changing(false).await, grace).await.expect("a whole look");
    assert_eq!(told.of(Kind::Stale), 1, "{told}");
}
