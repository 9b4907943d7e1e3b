//! auth's users over HTTP: every way in which auth can answer, or not.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use accrue_accounting::config::DirectoryConfig;
use accrue_accounting::directory::{DirectoryError, HttpDirectory, Presence, UserDirectory as _};
use accrue_chassis::lifecycle::Lifecycle;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use serde_json::json;
use tokio::net::TcpListener;

/// Something that answers as auth does.
#[derive(Default)]
struct Auth {
    /// The one token that is good, by number.
    good: AtomicUsize,
    issued: AtomicUsize,
    /// What is answered in place of what is asked for.
    instead: Mutex<Option<(u16, &'static str)>>,
}

impl Auth {
    fn answer_instead(&self, answer: Option<(u16, &'static str)>) {
        *self.instead.lock().expect("no test panics with it") = answer;
    }
}

fn raw(status: u16, body: &str) -> Response {
    (StatusCode::from_u16(status).expect("a status"), body.to_owned()).into_response()
}

async fn token(State(auth): State<Arc<Auth>>, headers: HeaderMap, body: String) -> Response {
    // `shop:s&1`, each encoded as in a form before.
    if headers["authorization"] != "Basic c2hvcDpzJTI2MQ==" {
        return raw(401, r#"{"error": "invalid_client"}"#);
    }
    assert_eq!(headers["content-type"], "application/x-www-form-urlencoded");
    assert_eq!(body, "grant_type=client_credentials&scope=events%3Aadmin");
    let number = auth.issued.fetch_add(1, Ordering::Relaxed) + 1;
    auth.good.store(number, Ordering::Relaxed);
    let body = json!({"access_token": number.to_string(), "token_type": "Bearer", "expires_in": 900});
    raw(200, &body.to_string())
}

async fn version(State(auth): State<Arc<Auth>>, headers: HeaderMap, Path(user_id): Path<String>) -> Response {
    if headers["authorization"] != format!("Bearer {}", auth.good.load(Ordering::Relaxed)).as_str() {
        return raw(401, r#"{"code": "invalid_token"}"#);
    }
    if let Some((status, body)) = *auth.instead.lock().expect("no test panics with it") {
        return raw(status, body);
    }
    match user_id.as_str() {
        "ada" | "a/b ?#%" => raw(200, r#"{"user_id": "ada", "version": 1, "status": "active"}"#),
        "off" => raw(200, r#"{"user_id": "off", "version": 1, "status": "deactivated"}"#),
        "gone" => raw(200, r#"{"user_id": "gone", "version": 1, "status": "deleted"}"#),
        _ => raw(404, r#"{"code": "user_not_found"}"#),
    }
}

async fn serve(lifecycle: &Lifecycle) -> (Arc<Auth>, String) {
    drop(rustls::crypto::ring::default_provider().install_default());
    let auth = Arc::new(Auth::default());
    let router = Router::new()
        .route("/below/oauth2/token", post(token))
        .route("/below/v1/user-versions/{user_id}", get(version))
        .with_state(Arc::clone(&auth));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    lifecycle.spawn_request(async move { axum::serve(listener, router).await });
    (auth, format!("http://{address}/below/"))
}

fn directory(url: &str, secret: &str) -> HttpDirectory {
    let config = DirectoryConfig {
        auth: url.parse().expect("a URL"),
        client_id: "shop".to_owned(),
        client_secret: secret.to_owned().into(),
    };
    HttpDirectory::new(config).expect("a client")
}

#[tokio::test]
async fn users_are_looked_up_with_one_token() {
    let lifecycle = Lifecycle::new();
    let (auth, url) = serve(&lifecycle).await;
    let directory = directory(&url, "s&1");
    for (user_id, expected) in [
        ("ada", Presence::Alive),
        ("a/b ?#%", Presence::Alive),
        ("off", Presence::Alive),
        ("gone", Presence::Deleted),
        ("nobody", Presence::Unknown),
        ("ada/../gone", Presence::Unknown),
        ("..", Presence::Unknown),
        (".", Presence::Unknown),
    ] {
        assert_eq!(directory.look_up(user_id).await.expect("an answer"), expected, "{user_id}");
    }
    assert_eq!(auth.issued.load(Ordering::Relaxed), 1);
    // The token is not good any more: another is got, once for all who wait.
    auth.good.store(0, Ordering::Relaxed);
    let (one, other) = tokio::join!(directory.look_up("ada"), directory.look_up("gone"));
    assert_eq!((one.expect("an answer"), other.expect("an answer")), (Presence::Alive, Presence::Deleted));
    assert_eq!(auth.issued.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn what_is_no_answer_is_an_error() {
    let lifecycle = Lifecycle::new();
    let (auth, url) = serve(&lifecycle).await;
    let asked = directory(&url, "s&1");
    // An auth that does not know the question must not look like one that does not know the user.
    for (status, body) in [
        (404, r#"{"code": "unknown_path"}"#),
        (404, "<html>not found</html>"),
        (403, r#"{"code": "insufficient_scope"}"#),
        (401, r#"{"code": "invalid_token"}"#),
        (503, r#"{"code": "database_unavailable"}"#),
        (302, ""),
    ] {
        auth.answer_instead(Some((status, body)));
        let refused = asked.look_up("nobody").await.expect_err(body);
        let is_told = matches!(refused, DirectoryError::Refused { status: told, .. } if told == status);
        assert!(is_told, "{refused:?}");
    }
    for body in ["", "[]", r#"{"status": "asleep"}"#, r#"{"status": 1}"#] {
        auth.answer_instead(Some((200, body)));
        let unreadable = asked.look_up("ada").await.expect_err(body);
        assert!(matches!(unreadable, DirectoryError::Unreadable), "{unreadable:?}");
    }
    auth.answer_instead(None);
    assert_eq!(asked.look_up("ada").await.expect("an answer"), Presence::Alive);
    let stranger = directory(&url, "wrong").look_up("ada").await.expect_err("not its secret");
    assert_eq!(stranger.to_string(), "auth answered 401 invalid_client");

    let nobody = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("bound");
    let away = directory(&format!("http://{nobody}/"), "s&1").look_up("ada").await.expect_err("nobody there");
    assert!(matches!(away, DirectoryError::Unreachable(_)), "{away:?}");
    assert!(!format!("{away:?}").contains("ada"), "{away:?}");
}
