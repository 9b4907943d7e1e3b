//! Users who are not known yet, or not at all: waited for, asked after, marked.

use std::time::Duration;

use accrue_testkit::{eventually, within};
use futures_util::future::join;
use reqwest::{Method, RequestBuilder};
use serde_json::json;

use crate::system::{Reply, Shape, System, send};

fn wait(system: &System, user_id: &str, seconds: u32) -> RequestBuilder {
    let path = format!("/v1/accounts/{user_id}");
    let request = system.service_request(Method::GET, &system.accounting, &path);
    request.header("Prefer", format!("wait={seconds}"))
}

pub(crate) async fn an_account_is_waited_for(shape: Shape) {
    let system = System::start(shape).await;
    for round in 0..5 {
        let user_id = system.register(&format!("ada{round}")).await;
        let reply = send(wait(&system, &user_id, 8)).await.expect("an answer");
        assert_eq!((reply.status, &reply.body["status"]), (200, &json!("active")), "{}", reply.body);
        assert_eq!(reply.headers["preference-applied"], "wait=8");
    }
    // Comparing accounts with users begins with what both list in one order.
    let versions = system.get(&system.accounting, "/v1/account-versions").await.expect("an answer");
    let versions = versions.body["data"].as_array().expect("a list");
    let ids: Vec<&str> = versions.iter().map(|one| one["user_id"].as_str().expect("an id")).collect();
    assert!(ids.len() >= 5 && ids.is_sorted(), "{ids:?}");

    let nobody = send(wait(&system, "nobody", 1)).await.expect("an answer");
    assert_eq!(
        (nobody.status, &nobody.headers["preference-applied"]),
        (404, &"wait=1".parse().expect("ASCII"))
    );
    // A process that ends answers those who wait, long before their time.
    let (waited, ()) = join(send(wait(&system, "nobody", 8)), system.finish(0)).await;
    assert_eq!(waited.expect("an answer").status, 404);
}

async fn verify(system: &mut System) {
    let client = system.credentials().clone();
    system
        .restart_with(&[
            ("ACCOUNTING_UNKNOWN_USER", "verify"),
            ("ACCOUNTING_CLIENT_ID", &client.id),
            ("ACCOUNTING_CLIENT_SECRET", &client.secret),
        ])
        .await;
}

async fn allocate(system: &System, user_id: &str) -> Reply {
    system.allocate(user_id, 5, "k").await.expect("an answer")
}

fn is_unknown(reply: &Reply) -> bool {
    reply.status == 404 && reply.body["code"] == "user_unknown"
}

pub(crate) async fn unknown_users_are_verified(shape: Shape) {
    let mut system = System::start(shape).await;
    assert_eq!(
        allocate(&system, "early").await.status,
        201,
        "a placeholder, as long as nobody says otherwise"
    );
    verify(&mut system).await;
    for stranger in ["mistyped", "65f0c0ffee0000000000abcd", "01980000-0000-7000-8000-00000000000c", "a%2Fb"]
    {
        let reply = allocate(&system, stranger).await;
        assert!(is_unknown(&reply), "{stranger}: {}", reply.body);
        assert_eq!(system.account(stranger).await.status, 404);
    }
    assert_eq!(allocate(&system, "early").await.headers["idempotency-replayed"], "true");
    // Whether or not the event has arrived by then, the user is not unknown.
    for round in 0..5 {
        let user_id = system.register(&format!("ada{round}")).await;
        let reply = allocate(&system, &user_id).await;
        assert_eq!(reply.status, 201, "{}", reply.body);
        assert_eq!(system.active_account(&user_id).await["balance"]["available"], 5);
    }
    let metrics = system.get(&system.accounting, "/metrics").await.expect("an answer").bytes;
    let metrics = String::from_utf8(metrics).expect("text");
    assert!(metrics.contains("unknown_user_checks_total{outcome=\"unknown\"} 4"), "{metrics}");
    system.finish(0).await;
}

/// auth is stopped, goes on, and is killed: credits are booked meanwhile, for anybody, and checked as
/// soon as it answers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_auth_that_cannot_be_asked_holds_up_nobody() {
    let Some(shape) = Shape::two_services().await else { return };
    let mut system = System::start(shape).await;
    verify(&mut system).await;
    assert!(is_unknown(&allocate(&system, "stranger").await));
    system.processes[0].signal("STOP");
    for stranger in 0..20 {
        let reply = allocate(&system, &format!("stopped{stranger}")).await;
        assert_eq!(
            (reply.status, &reply.body["account_status"]),
            (201, &json!("placeholder")),
            "{}",
            reply.body
        );
    }
    system.processes[0].signal("CONT");
    let mut stranger = 0;
    within(Duration::from_secs(30), "auth is asked again", async || {
        stranger += 1;
        is_unknown(&allocate(&system, &format!("again{stranger}")).await)
    })
    .await;
    system.processes[0].kill();
    for stranger in 0..20 {
        assert_eq!(allocate(&system, &format!("killed{stranger}")).await.status, 201);
    }
    eventually("the oldest placeholder is timed", async || {
        let age = system.metric(&system.accounting, "accounts_placeholder_oldest_age_seconds").await;
        age.is_some_and(|age| age > 0.0)
    })
    .await;
    system.check_logs();
}

/// A user whom auth has lost is marked by whoever finds that, and nothing else changes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_without_a_user_is_marked() {
    let system = System::start(Shape::all_in_one()).await;
    let user_id = system.register("ada").await;
    system.active_account(&user_id).await;
    assert_eq!(allocate(&system, &user_id).await.status, 201);
    let path = format!("/v1/account-versions/{user_id}");
    let known = system.get(&system.accounting, &path).await.expect("an answer").body;
    let orphan = async |version: i64| {
        let path = format!("/v1/accounts/{user_id}/orphan");
        let request = system.service_request(Method::POST, &system.accounting, &path);
        send(request.json(&json!({"user_version": version}))).await.expect("an answer")
    };
    let version = known["user_version"].as_i64().expect("a version");
    assert_eq!(orphan(version - 1).await.body["code"], "account_changed");
    let marked = orphan(version).await;
    assert_eq!((marked.status, &marked.body["status"]), (200, &json!("orphaned")));
    assert_eq!(marked.body["available"], known["available"]);
    system.finish(0).await;
}
