//! Tokens across the two services: who may do what, and what auth's absence changes.

use std::time::Duration;

use accrue_testkit::{eventually, within};
use reqwest::Client;
use serde_json::{Value, json};
use tempfile::TempDir;
use url::Url;

use crate::credentials::{ISSUER, make_client, token_of};
use crate::process::Process;
use crate::system::{KEY_ENCRYPTION_KEY, Reply, send};

/// auth and accounting as two processes on files, the latter requiring tokens.
struct Guarded {
    environment: Vec<(String, String)>,
    auth: Url,
    accounting: Url,
    auth_process: Process,
    client: Client,
    _accounting_process: Process,
    _files: TempDir,
}

impl Guarded {
    async fn start() -> Self {
        drop(rustls::crypto::ring::default_provider().install_default());
        let files = accrue_testkit::data_dir();
        let file = |name: &str| format!("sqlite:{}", files.path().join(name).display());
        let mut environment: Vec<(String, String)> = [
            ("AUTH_LISTEN", "127.0.0.1:0"),
            ("AUTH_ISSUER", ISSUER),
            ("AUTH_DATABASE_URL", &file("auth.db")),
            ("AUTH_KEY_ENCRYPTION_KEYS", KEY_ENCRYPTION_KEY),
            ("ACCOUNTING_LISTEN", "127.0.0.1:0"),
            ("ACCOUNTING_DATABASE_URL", &file("accounting.db")),
            ("ACCOUNTING_TOKEN_ISSUER", ISSUER),
            ("BROKER_URL", &file("broker.db")),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        let auth_process = Process::start(&["auth"], &environment);
        let auth = auth_process.url_of("auth").await;
        let keys = auth.join("/.well-known/jwks.json").expect("a path");
        environment.push(("ACCOUNTING_JWKS_URL".to_owned(), keys.into()));
        let accounting_process = Process::start(&["accounting"], &environment);
        let accounting = accounting_process.url_of("accounting").await;
        let client = Client::new();
        let guarded = Self {
            environment,
            auth,
            accounting,
            auth_process,
            client,
            _accounting_process: accounting_process,
            _files: files,
        };
        for base in [&guarded.auth, &guarded.accounting] {
            eventually("the services are ready, keys included", async || {
                let ready = guarded.client.get(base.join("/healthz/ready").expect("a path"));
                send(ready).await.is_ok_and(|reply| reply.body["status"] == "ready")
            })
            .await;
        }
        guarded
    }

    async fn service_token(&self, scopes: &[&str]) -> String {
        token_of(&make_client(&self.environment, scopes), &self.auth).await
    }

    async fn post(&self, base: &Url, path: &str, token: Option<&str>, body: &Value) -> Reply {
        let mut request = self.client.post(base.join(path).expect("a path")).json(body);
        request = request.header("Idempotency-Key", "k1");
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        send(request).await.expect("an answer")
    }

    async fn get(&self, path: &str, token: &str) -> Reply {
        let request = self.client.get(self.accounting.join(path).expect("a path"));
        send(request.bearer_auth(token)).await.expect("an answer")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_do_what_is_decided_by_tokens() {
    let mut guarded = Guarded::start().await;
    let credits = json!({"credits": 100});
    let shop = guarded.service_token(&["credits:write", "accounts:read"]).await;
    let reader = guarded.service_token(&["accounts:read"]).await;

    // Two users, who sign in.
    let mut users = Vec::new();
    for name in ["ada", "eve"] {
        let email = format!("{name}@example.com");
        let body = json!({"email": email, "password": "correct horse"});
        let request = guarded.client.post(guarded.auth.join("/v1/users").expect("a path")).json(&body);
        let user = send(request).await.expect("an answer");
        assert_eq!(user.status, 201, "{}", user.body);
        let request = guarded.client.post(guarded.auth.join("/v1/login").expect("a path")).json(&body);
        let login = send(request).await.expect("an answer");
        assert_eq!(login.status, 200, "{}", login.body);
        let text = |reply: &Reply, name: &str| reply.body[name].as_str().expect("text").to_owned();
        users.push((text(&user, "user_id"), text(&login, "access_token")));
    }
    let [(ada, ada_token), (_, eve_token)] = &users[..] else { panic!("two users") };
    let allocations = format!("/v1/accounts/{ada}/allocations");

    let nobody = guarded.post(&guarded.accounting, &allocations, None, &credits).await;
    assert_eq!((nobody.status, &nobody.body["code"]), (401, &"token_required".into()));
    assert!(nobody.headers["www-authenticate"].to_str().expect("text").starts_with("Bearer"));
    let rubbish = guarded.post(&guarded.accounting, &allocations, Some("rubbish"), &credits).await;
    assert_eq!((rubbish.status, &rubbish.body["code"]), (401, &"invalid_token".into()));
    for token in [&reader, ada_token] {
        let refused = guarded.post(&guarded.accounting, &allocations, Some(token), &credits).await;
        assert_eq!((refused.status, &refused.body["code"]), (403, &"insufficient_scope".into()));
    }
    let booked = guarded.post(&guarded.accounting, &allocations, Some(&shop), &credits).await;
    assert_eq!(booked.status, 201, "{}", booked.body);
    let actor = booked.body["allocation"]["actor"].as_str().expect("text");
    assert!(actor.starts_with("client:"), "{actor}");

    // The owner reads what is theirs; another user learns nothing.
    let account = format!("/v1/accounts/{ada}");
    within(Duration::from_secs(30), "the account is active", async || {
        guarded.get(&account, ada_token).await.body["status"] == "active"
    })
    .await;
    for path in [account.clone(), format!("{account}/entries")] {
        assert_eq!(guarded.get(&path, ada_token).await.status, 200, "{path}");
        assert_eq!(guarded.get(&path, &reader).await.status, 200, "{path}");
        assert_eq!(guarded.get(&path, eve_token).await.status, 404, "{path}");
    }
    assert_eq!(guarded.get("/v1/accounts", &reader).await.status, 200);
    assert_eq!(guarded.get("/v1/accounts", ada_token).await.status, 403);

    // accounting goes on verifying while auth is away.
    guarded.auth_process.kill();
    assert_eq!(guarded.get(&account, ada_token).await.status, 200);
    let again = guarded.post(&guarded.accounting, &allocations, Some(&shop), &credits).await;
    assert_eq!((again.status, &again.bytes), (201, &booked.bytes));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_was_deactivated_does_nothing_more_with_a_token_that_is_still_good() {
    let guarded = Guarded::start().await;
    let admin = guarded.service_token(&["users:admin", "accounts:read"]).await;
    let user = json!({"email": "eve@example.com", "password": "correct horse", "roles": ["supervisor"]});
    let batch = json!({"users": [user]});
    let made = guarded.post(&guarded.auth, "/v1/users/batch", Some(&admin), &batch).await;
    assert_eq!(made.status, 200, "{}", made.body);
    let user_id = made.body["results"][0]["user_id"].as_str().expect("an id").to_owned();
    let login = json!({"email": "eve@example.com", "password": "correct horse"});
    let login = guarded.post(&guarded.auth, "/v1/login", None, &login).await;
    let token = login.body["access_token"].as_str().expect("a token");
    let credits = json!({"credits": 100});
    let booked = guarded.post(&guarded.accounting, "/v1/accounts/x/allocations", Some(token), &credits).await;
    assert_eq!(booked.status, 201, "{}", booked.body);
    assert_eq!(guarded.get("/v1/accounts", token).await.status, 200);

    let deactivate = format!("/v1/users/{user_id}/deactivate");
    assert_eq!(guarded.post(&guarded.auth, &deactivate, Some(&admin), &json!({})).await.status, 200);
    let account = format!("/v1/accounts/{user_id}");
    eventually("the account is suspended", async || {
        guarded.get(&account, &admin).await.body["status"] == "suspended"
    })
    .await;
    for path in ["/v1/accounts", &account, "/v1/accounts/x/entries"] {
        let refused = guarded.get(path, token).await;
        assert_eq!((refused.status, &refused.body["code"]), (403, &"account_suspended".into()), "{path}");
    }
    let refused =
        guarded.post(&guarded.accounting, "/v1/accounts/x/allocations", Some(token), &credits).await;
    assert_eq!((refused.status, &refused.body["code"]), (403, &"account_suspended".into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_asked_for_less_is_not_the_owners() {
    let guarded = Guarded::start().await;
    let user = json!({"email": "ada@example.com", "password": "correct horse"});
    let made = guarded.post(&guarded.auth, "/v1/users", None, &user).await;
    let account = format!("/v1/accounts/{}", made.body["user_id"].as_str().expect("an id"));
    let login = guarded.post(&guarded.auth, "/v1/login", None, &user).await;
    assert_eq!(login.body["scope"], "me");
    let request = guarded.client.post(guarded.auth.join("/oauth2/token").expect("a path"));
    let refresh_token = login.body["refresh_token"].as_str().expect("a token");
    let form = format!("grant_type=refresh_token&scope=accounts:read&refresh_token={refresh_token}");
    let request = request.header("Content-Type", "application/x-www-form-urlencoded").body(form);
    let refused = send(request).await.expect("an answer");
    assert_eq!((refused.status, &refused.body["error"]), (400, &"invalid_scope".into()));
    // A supervisor may have a token that only reads, and is nobody's own.
    let admin = guarded.service_token(&["users:admin"]).await;
    let roles = format!("/v1/users/{}/roles", made.body["user_id"].as_str().expect("an id"));
    let request = guarded.client.put(guarded.auth.join(&roles).expect("a path")).bearer_auth(&admin);
    let promoted = send(request.json(&json!({"roles": ["supervisor"]}))).await.expect("an answer");
    assert_eq!(promoted.status, 200, "{}", promoted.body);
    let login = guarded.post(&guarded.auth, "/v1/login", None, &user).await;
    let refresh_token = login.body["refresh_token"].as_str().expect("a token");
    let form = format!("grant_type=refresh_token&scope=credits:write&refresh_token={refresh_token}");
    let request = guarded.client.post(guarded.auth.join("/oauth2/token").expect("a path"));
    let request = request.header("Content-Type", "application/x-www-form-urlencoded").body(form);
    let less = send(request).await.expect("an answer");
    assert_eq!((less.status, &less.body["scope"]), (200, &"credits:write".into()), "{}", less.body);
    let token = less.body["access_token"].as_str().expect("a token");
    let refused = guarded.get(&account, token).await;
    assert_eq!((refused.status, &refused.body["code"]), (403, &"insufficient_scope".into()));
    let challenge = refused.headers["www-authenticate"].to_str().expect("text");
    assert!(challenge.contains("accounts:read me"), "{challenge}");
}
