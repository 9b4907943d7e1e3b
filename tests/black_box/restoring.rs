//! Stores that went back in time: what an operator does then, and what comes of it.

use std::fs;
use std::path::Path;
use std::process::Output;
use std::time::Duration;

use accrue_testkit::{TestMongo, TestPostgres, within};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::system::{Shape, System, send};

/// A copy of one service's store.
enum Backup {
    Files(TempDir),
    Mongo(TestMongo),
    Postgres(TestPostgres),
}

/// Copies the SQLite database `name` and what belongs to it.
fn copy_database(name: &str, from: &Path, to: &Path) {
    for suffix in ["", "-wal", "-shm"] {
        let file = format!("{name}{suffix}");
        if from.join(&file).exists() {
            fs::copy(from.join(&file), to.join(&file)).expect("copied");
        } else {
            drop(fs::remove_file(to.join(&file)));
        }
    }
}

/// Copies auth's or accounting's store while nothing runs.
async fn back_up(shape: &Shape, database: &str) -> Backup {
    match shape {
        Shape::AllInOne(dir) => {
            let copy = accrue_testkit::data_dir();
            copy_database(database, dir.path(), copy.path());
            Backup::Files(copy)
        }
        Shape::TwoServices(servers) if database == "auth.db" => Backup::Mongo(servers.0.back_up().await),
        Shape::TwoServices(servers) => Backup::Postgres(servers.1.back_up().await),
    }
}

async fn restore(shape: &Shape, database: &str, backup: &Backup) {
    match (shape, backup) {
        (Shape::AllInOne(dir), Backup::Files(copy)) => copy_database(database, copy.path(), dir.path()),
        (Shape::TwoServices(servers), Backup::Mongo(copy)) => servers.0.restore(copy).await,
        (Shape::TwoServices(servers), Backup::Postgres(copy)) => servers.1.restore(copy).await,
        _ => panic!("a backup of another shape"),
    }
}

/// The system goes on from a copy that was made of it just now.
async fn backed_up(system: &mut System, database: &str) -> Backup {
    system.kill();
    let backup = back_up(system.shape(), database).await;
    system.start_again().await;
    backup
}

async fn restored(system: &mut System, database: &str, backup: &Backup) {
    system.kill();
    restore(system.shape(), database, backup).await;
    system.start_again().await;
}

async fn deactivate(system: &System, user_id: &str) {
    let path = format!("/v1/users/{user_id}/deactivate");
    let reply = send(system.service_request(Method::POST, &system.auth, &path)).await.expect("an answer");
    assert_eq!(reply.status, 200, "{}", reply.body);
}

async fn delete(system: &System, user_id: &str) {
    let path = format!("/v1/users/{user_id}");
    let reply = send(system.service_request(Method::DELETE, &system.auth, &path)).await.expect("an answer");
    assert_eq!(reply.status, 204, "{}", reply.body);
}

async fn has_status(system: &System, user_id: &str, status: &str) {
    within(Duration::from_secs(20), &format!("{user_id} is {status}"), async || {
        system.account(user_id).await.body["status"] == status
    })
    .await;
}

/// What it printed, and with which code it ended.
fn told(output: &Output) -> (Option<i32>, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout) + &text(&output.stderr))
}

/// Which findings it told of, in their order.
fn findings(output: &Output) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(&output.stdout);
    let finding = |line: &str| {
        let mut parts = line.split('\t').map(str::to_owned);
        (parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
    };
    text.lines().map(finding).collect()
}

fn sorted(mut expected: Vec<(&str, &str)>) -> Vec<(String, String)> {
    expected.sort_by_key(|(_, user_id)| *user_id);
    expected.into_iter().map(|(kind, user_id)| (kind.to_owned(), user_id.to_owned())).collect()
}

/// Everything that accounting shows of everybody.
async fn everything(system: &System) -> Vec<Value> {
    system.all("/v1/accounts", 200).await
}

pub(crate) async fn accounting_from_an_older_backup(shape: Shape) {
    let mut system = System::start(shape).await;
    let (ada, bob) = (system.register("ada").await, system.register("bob").await);
    for user_id in [&ada, &bob] {
        system.active_account(user_id).await;
    }
    assert_eq!(system.allocate(&ada, 100, "k1").await.expect("an answer").status, 201);
    let backup = backed_up(&mut system, "accounting.db").await;
    let cy = system.register("cy").await;
    system.active_account(&cy).await;
    let before = system.allocate(&ada, 50, "k2").await.expect("an answer");
    assert_eq!(before.status, 201, "{}", before.body);
    deactivate(&system, &ada).await;
    delete(&system, &bob).await;
    has_status(&system, &ada, "suspended").await;
    has_status(&system, &bob, "closed").await;

    restored(&mut system, "accounting.db", &backup).await;
    let looked = system.operate(&["reconcile"]).await;
    assert_eq!(looked.status.code(), Some(1), "{:?}", told(&looked));
    let expected = [("stale", ada.as_str()), ("stale", &bob), ("missing", &cy)];
    assert_eq!(findings(&looked), sorted(expected.to_vec()));

    let replayed = system.operate(&["replay", "--all", "--wait"]).await;
    assert_eq!(replayed.status.code(), Some(0), "{:?}", told(&replayed));
    has_status(&system, &ada, "suspended").await;
    has_status(&system, &bob, "closed").await;
    has_status(&system, &cy, "active").await;
    let mended = system.operate(&["reconcile", "--repair"]).await;
    assert_eq!((mended.status.code(), findings(&mended)), (Some(0), Vec::new()), "{:?}", told(&mended));
    assert_eq!(system.account(&bob).await.body["email"], Value::Null);
    let audited = system.operate(&["audit"]).await;
    assert_eq!(audited.status.code(), Some(0), "{:?}", told(&audited));

    // The credits of after the backup are gone, and come with the same request.
    assert_eq!(system.account(&ada).await.body["balance"]["available"], 100);
    let again = system.allocate(&ada, 50, "k2").await.expect("an answer");
    assert!(again.status == 201 && !again.headers.contains_key("idempotency-replayed"), "{}", again.body);
    assert_eq!(system.account(&ada).await.body["balance"]["available"], 150);

    // Once more changes nothing.
    let settled = everything(&system).await;
    let stale = system.metric(&system.accounting, "events_consumed_total").await.unwrap_or(0.0);
    let replayed = system.operate(&["replay", "--since", "2026-01-01T00:00:00Z", "--wait"]).await;
    assert_eq!(replayed.status.code(), Some(0), "{:?}", told(&replayed));
    within(Duration::from_secs(20), "all of it is consumed", async || {
        let consumed = system.metric(&system.accounting, "events_consumed_total").await.unwrap_or(0.0);
        consumed >= stale + 3.0
    })
    .await;
    assert_eq!(everything(&system).await, settled);
    system.finish(0).await;
}

pub(crate) async fn auth_from_an_older_backup(shape: Shape) {
    let mut system = System::start(shape).await;
    let (ada, bob) = (system.register("ada").await, system.register("bob").await);
    for user_id in [&ada, &bob] {
        system.active_account(user_id).await;
    }
    let backup = backed_up(&mut system, "auth.db").await;
    let cy = system.register("cy").await;
    system.active_account(&cy).await;
    for user_id in [&bob, &cy] {
        assert_eq!(system.allocate(user_id, 30, "k").await.expect("an answer").status, 201);
    }
    deactivate(&system, &ada).await;
    delete(&system, &bob).await;
    has_status(&system, &ada, "suspended").await;
    has_status(&system, &bob, "closed").await;

    restored(&mut system, "auth.db", &backup).await;
    assert_eq!(system.allocate("nobody", 7, "typo").await.expect("an answer").status, 201);
    let looked = system.operate(&["reconcile"]).await;
    assert_eq!(looked.status.code(), Some(1), "{:?}", told(&looked));
    let expected = [("ahead", ada.as_str()), ("resurrected", &bob), ("orphaned", &cy), ("surplus", "nobody")];
    assert_eq!(findings(&looked), sorted(expected.to_vec()));
    assert!(told(&looked).1.contains("30 available"), "{:?}", told(&looked));

    // What nobody can mend stays told of, and everything else is mended.
    let mended = system.operate(&["reconcile", "--repair"]).await;
    assert_eq!(mended.status.code(), Some(1), "{:?}", told(&mended));
    assert!(told(&mended).1.contains("3 repaired, 1 left"), "{:?}", told(&mended));
    let looked = system.operate(&["reconcile"]).await;
    assert_eq!(findings(&looked), sorted(vec![("surplus", "nobody")]));
    has_status(&system, &ada, "active").await;
    has_status(&system, &cy, "orphaned").await;
    assert_eq!(system.account(&cy).await.body["balance"]["available"], 30);
    let gone = system.get(&system.auth, &format!("/v1/users/{bob}")).await.expect("an answer");
    assert_eq!((&gone.body["status"], &gone.body["email"]), (&json!("deleted"), &Value::Null));
    assert_eq!(system.account(&bob).await.body["balance"]["available"], 30);

    // Versions go on forward.
    deactivate(&system, &ada).await;
    has_status(&system, &ada, "suspended").await;
    system.finish(0).await;
}

/// The broker is lost whole, with an event that it had confirmed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_lost_whole() {
    let Some(shape) = Shape::two_services().await else { return };
    let mut system = System::start(shape).await;
    let ada = system.register("ada").await;
    system.active_account(&ada).await;
    // accounting is down, and takes nothing from the queue.
    system.processes[1].kill();
    let bob = system.register("bob").await;
    within(Duration::from_secs(20), "the event was confirmed", async || {
        system.metric(&system.auth, "outbox_depth").await == Some(0.0)
    })
    .await;
    let Shape::TwoServices(servers) = system.shape() else { panic!("two services") };
    servers.2.lose_topology().await;
    system.kill();
    system.start_again().await;
    let looked = system.operate(&["reconcile"]).await;
    assert_eq!(findings(&looked), [("missing".to_owned(), bob.clone())], "{:?}", told(&looked));
    let replayed = system.operate(&["replay", "--all", "--wait"]).await;
    assert_eq!(replayed.status.code(), Some(0), "{:?}", told(&replayed));
    has_status(&system, &bob, "active").await;
    let looked = system.operate(&["reconcile"]).await;
    assert_eq!(looked.status.code(), Some(0), "{:?}", told(&looked));
    system.finish(0).await;
}
