//! Looks at two services of the test's own, that answer as real ones rarely do.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use accrue_chassis::clock::{Clock as _, SystemClock, to_millis};
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
    let manner = Manner { is_repeated: false, repairs: false, grace, placeholder_age: Duration::ZERO };
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
