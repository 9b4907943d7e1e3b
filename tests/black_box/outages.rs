//! Servers that are away: at the start, and in the middle of the work.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use accrue_testkit::{OwnMongo, OwnPostgres, OwnRabbit, eventually, within};
use futures_util::stream::{self, StreamExt as _};
use serde_json::Value;
use url::Url;

use crate::credentials::{ALL_SCOPES, ISSUER, make_client, token_of};
use crate::process::Process;
use crate::system::{KEY_ENCRYPTION_KEY, Shape, System, send};

fn set(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

async fn ready(url: &Url) -> (u16, Value) {
    drop(rustls::crypto::ring::default_provider().install_default());
    let client = reqwest::Client::new();
    let reply = send(client.get(url.join("/healthz/ready").expect("a path"))).await.expect("an answer");
    (reply.status, reply.body)
}

/// The state of one part in a report of readiness.
fn check<'a>(report: &'a Value, name: &str) -> &'a str {
    let checks = report["checks"].as_array().expect("checks");
    let check = checks.iter().find(|check| check["name"] == name);
    check.and_then(|check| check["status"].as_str()).unwrap_or("missing")
}

/// The broker is killed and started again while a thousand users register. What was
/// acknowledged, and nothing else, is an active account in the end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_restarted_among_a_thousand_registrations() {
    const USERS: usize = 1_000;
    let Some(broker) = OwnRabbit::start().await else { return };
    let Some(shape) = Shape::two_services().await else { return };
    let settings = [("BROKER_URL", broker.url()), ("AUTH_HASH_QUEUE", "1000")];
    let system = System::start_with(shape, &settings).await;

    let answered = AtomicUsize::new(0);
    let registrations = stream::iter(0..USERS)
        .map(|i| {
            let (system, answered) = (&system, &answered);
            async move {
                let reply = system.try_register(&format!("u{i}"), None).await.expect("an answer");
                answered.fetch_add(1, Ordering::Relaxed);
                assert_eq!(reply.status, 201, "registering needs no broker: {}", reply.body);
                reply.body["user_id"].as_str().expect("a user id").to_owned()
            }
        })
        .buffer_unordered(16)
        .collect::<BTreeSet<String>>();
    let outage = async {
        let reach = async |count| {
            within(Duration::from_mins(2), &format!("{count} users are registered"), async || {
                answered.load(Ordering::Relaxed) >= count
            })
            .await;
        };
        reach(USERS / 4).await;
        broker.kill().await;
        for url in [&system.auth, &system.accounting] {
            eventually("the broker's absence is told", async || {
                let (status, report) = ready(url).await;
                status == 200 && report["status"] == "degraded" && check(&report, "broker") == "down"
            })
            .await;
        }
        broker.restart().await;
    };
    let (acknowledged, ()) = futures_util::future::join(registrations, outage).await;
    assert_eq!(acknowledged.len(), USERS);

    within(Duration::from_mins(1), "every acknowledged user has an active account", async || {
        system.metric(&system.auth, "outbox_depth").await == Some(0.0)
            && system.all("/v1/accounts?status=active", 200).await.len() >= USERS
    })
    .await;
    let accounts = system.all("/v1/accounts", 200).await;
    assert!(accounts.iter().all(|account| account["status"] == "active"));
    let ids = accounts.iter().map(|account| account["user_id"].as_str().expect("an id").to_owned());
    assert_eq!(ids.collect::<BTreeSet<_>>(), acknowledged);
    system.check_logs();
}

/// Each service starts while its own database and the broker are away, says so,
/// serves nothing that it cannot, and recovers by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_start_before_their_servers() {
    let started = tokio::join!(OwnMongo::start(), OwnPostgres::start(), OwnRabbit::start());
    let (Some(mongodb), Some(postgres), Some(broker)) = started else { return };
    tokio::join!(mongodb.kill(), postgres.kill(), broker.kill());
    let mut environment = vec![
        set("AUTH_LISTEN", "127.0.0.1:0"),
        set("ACCOUNTING_LISTEN", "127.0.0.1:0"),
        set("AUTH_DATABASE_URL", mongodb.url()),
        set("ACCOUNTING_DATABASE_URL", postgres.url()),
        set("BROKER_URL", broker.url()),
        set("AUTH_KEY_ENCRYPTION_KEYS", KEY_ENCRYPTION_KEY),
        set("AUTH_ISSUER", ISSUER),
        set("ACCOUNTING_TOKEN_ISSUER", ISSUER),
    ];
    let auth_process = Process::start(&["auth"], &environment);
    let auth = auth_process.url_of("auth").await;
    environment
        .push(set("ACCOUNTING_JWKS_URL", auth.join("/.well-known/jwks.json").expect("a path").as_str()));
    let accounting_process = Process::start(&["accounting"], &environment);
    let accounting = accounting_process.url_of("accounting").await;
    for url in [&auth, &accounting] {
        let (status, report) = ready(url).await;
        assert_eq!((status, check(&report, "database")), (503, "down"), "{report}");
        let live = send(reqwest::Client::new().get(url.join("/healthz/live").expect("a path"))).await;
        assert_eq!(live.expect("an answer").status, 200);
        let early = send(reqwest::Client::new().get(url.join("/v1/accounts").expect("a path"))).await;
        let early = early.expect("an answer");
        assert_eq!((early.status, &early.body["code"]), (503, &"starting".into()));
        assert!(early.headers.contains_key("retry-after"));
    }

    // Databases first: both serve, degraded, without a broker.
    tokio::join!(mongodb.restart(), postgres.restart());
    for url in [&auth, &accounting] {
        eventually("the service is degraded", async || {
            let (status, report) = ready(url).await;
            status == 200 && report["status"] == "degraded" && check(&report, "database") == "up"
        })
        .await;
    }
    let has_keys = async || check(&ready(&accounting).await.1, "token_keys") == "up";
    eventually("accounting has auth's keys", has_keys).await;
    let token = token_of(&make_client(&environment, ALL_SCOPES), &auth).await;
    let client = reqwest::Client::new();
    let body = serde_json::json!({"email": "ada@example.com", "password": "correct horse"});
    let users = auth.join("/v1/users").expect("a path");
    let user = send(client.post(users.clone()).json(&body)).await.expect("an answer");
    assert_eq!(user.status, 201, "{}", user.body);
    let user_id = user.body["user_id"].as_str().expect("a user id");
    let account = accounting.join(&format!("/v1/accounts/{user_id}")).expect("a path");
    let allocations = Url::parse(&format!("{account}/allocations")).expect("a URL");
    let allocate = |key: &str| {
        let body = serde_json::json!({"credits": 5});
        let request = client.post(allocations.clone()).bearer_auth(&token);
        send(request.header("Idempotency-Key", key).json(&body))
    };
    let reply = allocate("k1").await.expect("an answer");
    assert_eq!((reply.status, &reply.body["account_status"]), (201, &"placeholder".into()));

    broker.restart().await;
    let is_active = async || {
        let reply = send(client.get(account.clone()).bearer_auth(&token)).await.expect("an answer");
        reply.body["status"] == "active" && reply.body["balance"]["available"] == 5
    };
    within(Duration::from_mins(1), "the event arrives once the broker is back", is_active).await;

    // In the middle of the work: a database goes, its service says so at once and
    // answers 503, and is as before when it is back.
    postgres.kill().await;
    eventually("accounting is not ready", async || ready(&accounting).await.0 == 503).await;
    let refused = allocate("k2").await.expect("an answer");
    assert_eq!((refused.status, &refused.body["code"]), (503, &"database_unavailable".into()));
    mongodb.kill().await;
    eventually("auth is not ready", async || ready(&auth).await.0 == 503).await;
    let other = serde_json::json!({"email": "bob@example.com", "password": "correct horse"});
    let refused = send(client.post(users.clone()).json(&other)).await.expect("an answer");
    assert_eq!((refused.status, &refused.body["code"]), (503, &"database_unavailable".into()));
    tokio::join!(postgres.restart(), mongodb.restart());
    for url in [&auth, &accounting] {
        eventually("the service is ready again", async || ready(url).await.1["status"] == "ready").await;
    }
    assert_eq!(allocate("k2").await.expect("an answer").status, 201);
    eventually("bob can register", async || {
        let reply = send(client.post(users.clone()).json(&other)).await.expect("an answer");
        // The refused try may have been written: then the address is taken, by bob.
        reply.status == 201 || reply.status == 409
    })
    .await;
}
