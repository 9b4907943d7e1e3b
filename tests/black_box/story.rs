//! What the two services are for: sign-up and credits, in any order, once each.

use std::process::Command;

use accrue_events::broker::Destination;
use accrue_testkit::eventually;
use futures_util::future::{join, join_all};
use reqwest::Method;
use serde_json::Value;

use crate::system::{Shape, System, send};

pub(crate) async fn registration_becomes_an_account(shape: Shape) {
    let system = System::start(shape).await;
    let reply = system.try_register("  Ada", None).await.expect("an answer");
    assert_eq!(reply.status, 201, "{}", reply.body);
    assert_eq!(reply.headers["content-type"], "application/json");
    let user_id = reply.body["user_id"].as_str().expect("a user id");
    assert!((1..=50).contains(&user_id.len()), "{user_id}");
    assert_eq!(reply.headers["location"], format!("/v1/users/{user_id}"));
    assert_eq!(reply.body["email"], "ada@example.com");
    assert!(!reply.body.to_string().contains("argon2"), "{}", reply.body);

    let user = system.get(&system.auth, &format!("/v1/users/{user_id}")).await.expect("an answer");
    assert_eq!((user.status, &user.body), (200, &reply.body));
    let account = system.active_account(user_id).await;
    assert_eq!(
        (&account["email"], &account["display_name"]),
        (&reply.body["email"], &reply.body["display_name"])
    );
    assert_eq!(account["balance"]["available"], 0);

    let taken = system.try_register("ADA", None).await.expect("an answer");
    assert_eq!((taken.status, &taken.body["code"]), (409, &Value::from("email_taken")));
    system.finish(0).await;
}

pub(crate) async fn credits_come_before_the_user(shape: Shape) {
    let system = System::start(shape).await;
    // A user that does not exist yet, so the event cannot have arrived.
    let reply = system.allocate("nobody-yet", 40, "k1").await.expect("an answer");
    assert_eq!((reply.status, &reply.body["account_status"]), (201, &Value::from("placeholder")));
    assert_eq!(reply.body["balance"]["available"], 40);
    let location = reply.headers["location"].to_str().expect("text").to_owned();
    let allocation = system.get(&system.accounting, &location).await.expect("an answer");
    assert_eq!((allocation.status, &allocation.body), (200, &reply.body["allocation"]));
    let placeholders = system.all("/v1/accounts?status=placeholder", 10).await;
    assert_eq!(placeholders.len(), 1);
    assert_eq!(
        (&placeholders[0]["user_id"], &placeholders[0]["email"]),
        (&"nobody-yet".into(), &Value::Null)
    );

    // First allocations race with each other and with the event.
    let names: Vec<String> = (0..12).map(|i| format!("u{i}")).collect();
    let users = join_all(names.iter().map(|name| async {
        let user_id = system.register(name).await;
        let (forty, sixty) =
            join(system.allocate(&user_id, 40, "forty"), system.allocate(&user_id, 60, "sixty")).await;
        assert_eq!((forty.expect("an answer").status, sixty.expect("an answer").status), (201, 201));
        user_id
    }));
    for (user_id, name) in users.await.iter().zip(&names) {
        let account = system.active_account(user_id).await;
        assert_eq!(account["balance"]["available"], 100, "{account}");
        assert_eq!(
            (&account["email"], &account["display_name"]),
            (&format!("{name}@example.com").into(), &name.as_str().into())
        );
    }
    assert_eq!(system.all("/v1/accounts?status=placeholder", 10).await.len(), 1);
    system.finish(0).await;
}

pub(crate) async fn a_request_sent_again_changes_nothing(shape: Shape) {
    let system = System::start(shape).await;
    let first = system.try_register("ada", Some("r1")).await.expect("an answer");
    let again = system.try_register("ada", Some("r1")).await.expect("an answer");
    assert_eq!((first.status, again.status), (201, 201));
    assert_eq!(
        (&first.bytes, &again.headers["idempotency-replayed"]),
        (&again.bytes, &"true".parse().expect("a value"))
    );
    let other = system.try_register("bob", Some("r1")).await.expect("an answer");
    assert_eq!((other.status, &other.body["code"]), (422, &"idempotency_key_reused".into()));

    let user_id = first.body["user_id"].as_str().expect("a user id");
    let fifty = join_all((0..50).map(|_| system.allocate(user_id, 10, "same"))).await;
    let fifty: Vec<_> = fifty.into_iter().map(|reply| reply.expect("an answer")).collect();
    assert!(fifty.iter().all(|reply| reply.status == 201 && reply.bytes == fifty[0].bytes), "{fifty:?}");
    let firsts = fifty.iter().filter(|reply| !reply.headers.contains_key("idempotency-replayed")).count();
    assert_eq!(firsts, 1);
    let other = system.allocate(user_id, 11, "same").await.expect("an answer");
    assert_eq!((other.status, &other.body["code"]), (422, &"idempotency_key_reused".into()));
    let account = system.active_account(user_id).await;
    assert_eq!(account["balance"]["available"], 10);
    assert_eq!(system.all(&format!("/v1/accounts/{user_id}/entries"), 10).await.len(), 1);
    system.finish(0).await;
}

pub(crate) async fn welcome_credits_come_once(shape: Shape) {
    let system = System::start_with(shape, &[("ACCOUNTING_WELCOME_CREDITS", "25")]).await;
    let user_id = system.register("ada").await;
    assert_eq!(system.allocate(&user_id, 100, "k").await.expect("an answer").status, 201);
    system.active_account(&user_id).await;
    // The same event twice more, as a broker may deliver it.
    republish_registrations(&system, &user_id).await;
    let other = system.register("bob").await;
    assert_eq!(system.active_account(&other).await["balance"]["available"], 25);
    eventually("both repetitions are consumed", async || {
        let consumed = system.metric(&system.accounting, "events_consumed_total").await;
        consumed == Some(4.0 + system.first_users())
    })
    .await;
    assert_eq!(system.account(&user_id).await.body["balance"]["available"], 125);
    let entries = system.all(&format!("/v1/accounts/{user_id}/entries"), 10).await;
    assert_eq!(entries.iter().filter(|entry| entry["kind"] == "welcome").count(), 1, "{entries:?}");
    system.finish(0).await;
}

/// Publishes another registration of the same user twice: a stale one and a newer one.
async fn republish_registrations(system: &System, user_id: &str) {
    use accrue_events::user::{UserEvent, UserEventKind, UserSnapshot, UserStatus};
    let now = accrue_chassis::clock::Clock::now(&accrue_chassis::clock::SystemClock);
    let event = |version: i64| UserEvent {
        id: uuid::Uuid::now_v7(),
        kind: UserEventKind::Registered,
        occurred_at: now,
        user: UserSnapshot {
            user_id: user_id.to_owned(),
            version,
            status: UserStatus::Active,
            email: Some("ada@example.com".to_owned()),
            email_verified: false,
            username: None,
            display_name: None,
            registered_at: now,
        },
    };
    let messages = [event(1), event(i64::MAX / 2)].map(|event| event.to_message(None));
    let mut publisher = system.broker().publisher(Destination::Users);
    publisher.connect().await.expect("connected");
    let outcomes = publisher.publish(&messages).await.expect("published");
    assert!(outcomes.iter().all(|one| *one == accrue_events::broker::Publication::Confirmed));
}

pub(crate) async fn lists_come_page_by_page(shape: Shape) {
    let system = System::start(shape).await;
    for i in 0..7 {
        let reply = system.allocate(&format!("u{i}"), 1, "k").await.expect("an answer");
        assert_eq!(reply.status, 201);
        assert_eq!(system.allocate("u0", 1 + i, &format!("more-{i}")).await.expect("an answer").status, 201);
    }
    let accounts = system.accounts(3).await;
    let ids: Vec<_> = accounts.iter().map(|account| account["user_id"].as_str().expect("an id")).collect();
    assert_eq!(ids, ["u6", "u5", "u4", "u3", "u2", "u1", "u0"]);
    let entries = system.all("/v1/accounts/u0/entries", 3).await;
    let seqs: Vec<_> = entries.iter().map(|entry| entry["seq"].as_i64().expect("a number")).collect();
    assert_eq!(seqs, [8, 7, 6, 5, 4, 3, 2, 1]);
    assert_eq!(entries[0]["balance_after"], system.account("u0").await.body["balance"]["available"]);
    for (path, code) in [
        ("/v1/accounts?status=unheard-of", "invalid_request"),
        ("/v1/accounts?limit=0", "invalid_request"),
        ("/v1/accounts?limit=many", "invalid_query"),
        ("/v1/accounts?cursor=%00", "invalid_request"),
        ("/v1/accounts?cursor=rubbish", "invalid_request"),
        ("/v1/accounts?shoe_size=43", "invalid_query"),
        ("/v1/accounts/u0/entries?cursor=rubbish", "invalid_request"),
    ] {
        let reply = system.get(&system.accounting, path).await.expect("an answer");
        assert_eq!((reply.status, &reply.body["code"]), (400, &code.into()), "{path}: {}", reply.body);
    }
    for path in ["/v1/accounts/nobody", "/v1/accounts/nobody/entries", "/v1/accounts/u0/allocations/x"] {
        let reply = system.get(&system.accounting, path).await.expect("an answer");
        assert_eq!(reply.status, 404, "{path}: {}", reply.body);
    }
    system.finish(0).await;
}

pub(crate) async fn the_demo_holds(shape: Shape) {
    let system = System::start(shape).await;
    let output = Command::new(env!("CARGO_BIN_EXE_accrue"))
        .args(["demo", "--auth-url", system.auth.as_str(), "--accounting-url", system.accounting.as_str()])
        .env_clear()
        .env("ACCRUE_DEMO_CLIENT_ID", &system.credentials().id)
        .env("ACCRUE_DEMO_CLIENT_SECRET", &system.credentials().secret)
        .output()
        .expect("the demo runs");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    assert!(told.contains("all 7 steps held"), "{told}");
    system.finish(0).await;
}

pub(crate) async fn metrics_tell_what_happened(shape: Shape) {
    let system = System::start(shape).await;
    let user_id = system.register("ada").await;
    system.active_account(&user_id).await;
    assert_eq!(system.allocate("nobody-yet", 1, "k").await.expect("an answer").status, 201);
    let (one, two) = (1.0 + system.first_users(), 2.0 + system.first_users());
    for (base, name, expected) in [
        (&system.auth, "outbox_depth", 0.0),
        (&system.auth, "outbox_oldest_age_seconds", 0.0),
        (&system.auth, "outbox_published_total", one),
        (&system.auth, "outbox_confirmed_total", one),
        (&system.accounting, "events_consumed_total", one),
        (&system.accounting, "registration_to_account_lag_seconds_count", one),
        (&system.accounting, "accounts_placeholder", 1.0),
        (&system.accounting, "ledger_batch_size_count", two),
        // Looked at for the first time after seconds.
        (&system.accounting, "broker_queue_depth", 0.0),
    ] {
        eventually(&format!("{name} is {expected}"), async || {
            system.metric(base, name).await == Some(expected)
        })
        .await;
    }
    let text = system.get(&system.auth, "/metrics").await.expect("an answer").bytes;
    let text = String::from_utf8(text).expect("text");
    assert!(text.contains(
        "http_request_duration_seconds_bucket{service=\"auth\",method=\"POST\",route=\"/v1/users\""
    ));
    // A request keeps the trace that it came with.
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let request = system.service_request(Method::GET, &system.accounting, "/v1/accounts/nobody");
    let reply = send(request.header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01"))).await;
    assert_eq!(reply.expect("an answer").headers["request-id"], trace);
    // Nothing went wrong, so nobody is to be alarmed: by what our libraries log either.
    for process in &system.processes {
        let logs = process.logs();
        assert!(!logs.contains("\"level\":\"ERROR\""), "{logs}");
    }
    system.finish(0).await;
}
