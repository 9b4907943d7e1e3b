//! The security log: a line for whoever looks into it later, with ids and no secret.

use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use accrue_auth::AuthConfig;
use accrue_auth::limits::{Rate, Rates};
use accrue_chassis::clock::{Clock as _, ManualClock, SystemClock};
use accrue_chassis::http::SECURITY_LOG;
use accrue_chassis::tokens::Scopes;
use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};
use uuid::Uuid;

use crate::harness::{Answer, Auth, config};
use crate::signing_in::{ada, sign_in, text};

/// Every line that this thread logs, spans among them.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<Line>>>);

#[derive(Clone, Debug, Default)]
struct Line {
    target: String,
    fields: Vec<(String, String)>,
}

impl Line {
    fn of(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.fields.push((field.name().to_owned(), value.to_owned()));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.fields.push((field.name().to_owned(), format!("{value:?}")));
    }
}

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("accrue")
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut line = Line { target: span.metadata().target().to_owned(), ..Line::default() };
        span.record(&mut line);
        self.push(line);
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        let mut line = Line::default();
        values.record(&mut line);
        self.push(line);
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line { target: event.metadata().target().to_owned(), ..Line::default() };
        event.record(&mut line);
        self.push(line);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

impl Lines {
    fn push(&self, line: Line) {
        self.0.lock().expect("no test panicked").push(line);
    }

    /// The security log since the last look: of each line the event, the actor and the user.
    fn take(&self, secrets: &[&str]) -> Vec<(String, Option<String>, Option<String>)> {
        let lines = std::mem::take(&mut *self.0.lock().expect("no test panicked"));
        for line in &lines {
            for (name, value) in &line.fields {
                for secret in secrets {
                    let is_told = value.to_lowercase().contains(&secret.to_lowercase());
                    assert!(!is_told, "{} tells a secret in {name}", line.target);
                }
            }
        }
        let of = |line: &Line, name: &str| line.of(name).map(str::to_owned);
        let security = lines.iter().filter(|line| line.target == SECURITY_LOG);
        security
            .map(|line| (of(line, "event").expect("an event"), of(line, "actor"), of(line, "user_id")))
            .collect()
    }
}

fn line(event: &str, actor: Option<&str>, user_id: Option<&str>) -> (String, Option<String>, Option<String>) {
    (event.to_owned(), actor.map(str::to_owned), user_id.map(str::to_owned))
}

fn three_guesses() -> AuthConfig {
    let limits = Rates { login_by_account: Rate { count: 3, window_s: 86_400 }, ..config().limits };
    AuthConfig { limits, ..config() }
}

const SECRETS: [&str; 5] = ["ada@example.com", "ada.l", "correct horse", "wrong horse", "battery staple"];

#[tokio::test]
async fn whoever_signs_in_or_tries_to_leaves_a_line() {
    let lines = Lines::default();
    let _capturing = tracing::subscriber::set_default(lines.clone());
    let auth = Auth::with(three_guesses()).await;
    let signed_in = ada(&auth).await;
    let user_id = text(&signed_in, "user_id");
    let (access, refresh) = (text(&signed_in, "access_token"), text(&signed_in, "refresh_token"));
    let secrets = [&SECRETS[..], &[access.as_str(), refresh.as_str()]].concat();
    assert_eq!(lines.take(&secrets), [line("signed_in", None, Some(&user_id))]);

    for name in [json!("ada@example.com"), json!("nobody@example.com"), json!("Correct horse, typed here")] {
        let body = json!({"email": name, "password": "wrong horse"});
        sign_in(&auth, &body).await.problem(401, "invalid_credentials");
    }
    let failed = [Some(user_id.as_str()), None, None].map(|user_id| line("sign_in_failed", None, user_id));
    assert_eq!(lines.take(&secrets), failed);

    let put = async || {
        let body = json!({"current_password": "wrong horse", "new_password": "battery staple"});
        auth.ask_as(&access, "PUT", "/v1/users/me/password", Some(body)).await
    };
    put().await.problem(403, "wrong_password");
    put().await.problem(403, "wrong_password");
    put().await.problem(429, "too_many_requests");
    let refused = line("password_refused", None, Some(&user_id));
    let throttled = line("throttled", None, Some(&user_id));
    assert_eq!(lines.take(&secrets), [refused.clone(), refused, throttled.clone()]);
    let body = json!({"username": "ada.l", "password": "correct horse"});
    sign_in(&auth, &body).await.problem(429, "too_many_requests");
    assert_eq!(lines.take(&secrets), [throttled]);
    for _ in 0..3 {
        sign_in(&auth, &json!({"email": "nobody@example.com", "password": "wrong horse"})).await;
    }
    let of_nobody = lines.take(&[&secrets[..], &["nobody@"]].concat());
    let failed = line("sign_in_failed", None, None);
    assert_eq!(of_nobody, [failed.clone(), failed, line("throttled", None, None)]);
}

#[tokio::test]
async fn a_token_in_two_hands_leaves_a_line() {
    let lines = Lines::default();
    let _capturing = tracing::subscriber::set_default(lines.clone());
    let clock = ManualClock::new(SystemClock.now());
    let auth = Auth::at(clock.clone()).await;
    let signed_in = ada(&auth).await;
    let user_id = text(&signed_in, "user_id");
    let mut tokens = vec![text(&signed_in, "refresh_token")];
    let exchange = async |token: &str| -> Answer {
        let form = format!("grant_type=refresh_token&refresh_token={token}");
        let request =
            Request::post("/oauth2/token").header("content-type", "application/x-www-form-urlencoded");
        auth.ask(request.body(Body::from(form)).expect("a request")).await
    };
    for _ in 0..2 {
        let answer = exchange(tokens.last().expect("a token")).await;
        assert_eq!(answer.status, 200);
        tokens.push(text(&answer.json(), "refresh_token"));
    }
    let secrets: Vec<&str> = tokens.iter().map(String::as_str).chain(SECRETS).collect();
    assert_eq!(lines.take(&secrets), [line("signed_in", None, Some(&user_id))]);
    assert_eq!(exchange(&tokens[0]).await.status, 400);
    assert_eq!(lines.take(&secrets), [], "of two at the same time one is refused, and no more");
    clock.advance(time::Duration::seconds(11));
    assert_eq!(exchange(&tokens[0]).await.status, 400);
    assert_eq!(lines.take(&secrets), [line("refresh_token_reused", None, Some(&user_id))]);
}

#[tokio::test]
async fn refusals_and_what_admins_do_leave_a_line_each() {
    let lines = Lines::default();
    let _capturing = tracing::subscriber::set_default(lines.clone());
    let auth = Auth::start().await;
    let signed_in = ada(&auth).await;
    let user_id = text(&signed_in, "user_id");
    let access = text(&signed_in, "access_token");
    let service = auth.service_token("users:admin").await;
    let secrets = [&SECRETS[..], &[access.as_str(), service.as_str()]].concat();
    lines.take(&secrets);

    auth.get("/v1/users").await.problem(401, "token_required");
    auth.ask_as("ada@example.com", "GET", "/v1/users", None).await.problem(401, "invalid_token");
    auth.ask_as(&access, "GET", "/v1/users", None).await.problem(403, "insufficient_scope");
    let user = format!("user:{user_id}");
    // One who was an admin when the token was made.
    let scopes = Scopes::parse("users:admin");
    let former = auth.issuer.for_user(&user_id, Uuid::now_v7(), &scopes).await.expect("a token").token;
    auth.ask_as(&former, "POST", &format!("/v1/users/{user_id}/reactivate"), None)
        .await
        .problem(403, "insufficient_scope");
    let by = |actor: Option<&str>| line("refused", actor, None);
    assert_eq!(lines.take(&secrets), [by(None), by(None), by(Some(&user)), by(Some(&user))]);

    let path = format!("/v1/users/{user_id}");
    let acts: [(&str, String, Option<Value>, &str); 4] = [
        ("PUT", format!("{path}/roles"), Some(json!({"roles": ["supervisor"]})), "user_roles_set"),
        ("POST", format!("{path}/deactivate"), None, "user_deactivated"),
        ("POST", format!("{path}/reactivate"), None, "user_reactivated"),
        ("DELETE", path, None, "user_deleted"),
    ];
    for (method, path, body, event) in acts {
        assert!(auth.ask_as(&service, method, &path, body).await.status.is_success());
        assert_eq!(lines.take(&secrets), [line(event, Some("client:a-service"), Some(&user_id))], "{event}");
    }
    let new = json!({"users": [{"email": "ada@example.com", "username": "ada.l"}]});
    let request = Request::post("/v1/users/batch")
        .header("authorization", format!("Bearer {service}"))
        .header("content-type", "application/json")
        .header("idempotency-key", "k");
    let answer = auth.ask(request.body(Body::from(new.to_string())).expect("a request")).await;
    let made = answer.json()["results"][0]["user_id"].as_str().map(str::to_owned);
    assert!(made.is_some(), "{answer:?}");
    let logged = lines.take(&secrets);
    assert_eq!(logged, [line("user_created", Some("client:a-service"), made.as_deref())]);
}
