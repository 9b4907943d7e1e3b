//! accounting's own events: whoever listens hears every entry, and nobody need listen.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use accrue_testkit::{Heard, Listener, OwnRabbit, eventually, within};
use futures_util::future::{join, join_all};
use reqwest::Method;
use serde_json::{Value, json};

use crate::system::{Reply, Shape, System, send};

const ON: [(&str, &str); 2] = [("ACCOUNTING_EVENTS", "on"), ("ACCOUNTING_BALANCE_LOW", "10")];

async fn spend(system: &System, user_id: &str, credits: i64, key: &str) -> Reply {
    let path = format!("/v1/accounts/{user_id}/usage");
    let request = system.service_request(Method::POST, &system.accounting, &path);
    let body = json!({"credits": credits, "resource": "reports for ada@example.com"});
    send(request.header("Idempotency-Key", key).json(&body)).await.expect("an answer")
}

/// What a listener has heard, each event once, as a consumer keeps it.
#[derive(Default)]
struct Notes {
    events: BTreeMap<String, Value>,
    deliveries: usize,
}

impl Notes {
    fn add(&mut self, heard: Vec<Heard>) {
        for message in heard {
            self.deliveries += 1;
            let event: Value = serde_json::from_slice(&message.body).expect("JSON");
            let id = message.message_id.expect("our messages have ids");
            assert_eq!(event["id"], id);
            assert_eq!(event["source"], "accrue/accounting");
            let kind = event["type"].as_str().expect("text");
            let words: Vec<&str> = kind.split('.').collect();
            assert_eq!(message.routing_key, format!("account.{}_{}", words[1], words[2]));
            let known = self.events.insert(id, event.clone());
            assert!(known.is_none_or(|known| known == event), "one id, two events");
        }
    }

    /// The entries that were told of `user_id`, in the order of their numbers, which have no
    /// gaps.
    fn entries(&self, user_id: &str) -> Vec<&Value> {
        let is_entry = |event: &&Value| event["type"] != "accrue.balance.low.v1";
        let mut told: Vec<&Value> = self
            .events
            .values()
            .filter(|event| event["subject"] == user_id)
            .filter(is_entry)
            .map(|event| &event["data"])
            .collect();
        told.sort_by_key(|data| data["seq"].as_i64());
        for (data, seq) in told.iter().zip(1..) {
            assert_eq!(data["seq"], seq, "of {user_id}");
        }
        told
    }

    /// That what was told of an account is what its entries say.
    async fn compare(&self, system: &System, user_id: &str) {
        let mut entries = system.all(&format!("/v1/accounts/{user_id}/entries"), 200).await;
        entries.reverse();
        let told = self.entries(user_id);
        assert_eq!(told.len(), entries.len(), "of {user_id}");
        for (data, entry) in told.iter().zip(&entries) {
            for member in ["seq", "kind", "credits"] {
                assert_eq!(data[member], entry[member], "{data} {entry}");
            }
            let balance =
                ["available", "reserved"].map(|part| data["balance"][part].as_i64().expect("a number"));
            assert_eq!(entry["balance_after"], balance.iter().sum::<i64>(), "{data} {entry}");
        }
    }
}

pub(crate) async fn nobody_need_listen(shape: Shape) {
    let system = System::start_with(shape, &ON).await;
    let user_id = system.register("ada").await;
    system.active_account(&user_id).await;
    assert_eq!(system.allocate(&user_id, 30, "a").await.expect("an answer").status, 201);
    assert_eq!(spend(&system, &user_id, 25, "b").await.status, 201);
    // Two entries, a balance that is low, and the users that auth tells of.
    let events = 3.0 + 1.0 + system.first_users();
    eventually("all of it is published", async || {
        let confirmed = join(
            system.metric(&system.accounting, "outbox_confirmed_total"),
            system.metric(&system.auth, "outbox_confirmed_total"),
        );
        let (accounting, auth) = confirmed.await;
        let (accounting, auth) = (accounting.unwrap_or(0.0), auth.unwrap_or(0.0));
        // In one process both show the same metrics.
        let sum = if system.processes.len() == 1 { auth } else { accounting + auth };
        system.metric(&system.accounting, "outbox_depth").await == Some(0.0) && sum >= events
    })
    .await;
    let ready = system.get(&system.accounting, "/healthz/ready").await.expect("an answer");
    assert_eq!((ready.status, &ready.body["status"]), (200, &"ready".into()), "{}", ready.body);
    let checks = ready.body["checks"].as_array().expect("checks");
    assert!(checks.iter().any(|check| check["name"] == "own_events"), "{}", ready.body);
    system.finish(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_listens_hears_every_entry() {
    let Some(shape) = Shape::two_services().await else { return };
    let Shape::TwoServices(servers) = &shape else { panic!("two services") };
    let listener = servers.2.listen("accounts", "account.#").await;
    let system = System::start_with(shape, &ON).await;
    let user_id = system.register("ada").await;
    system.active_account(&user_id).await;
    assert_eq!(system.allocate(&user_id, 30, "a").await.expect("an answer").status, 201);
    assert_eq!(spend(&system, &user_id, 25, "b").await.status, 201);
    assert_eq!(spend(&system, &user_id, 6, "c").await.status, 402);
    assert_eq!(spend(&system, &user_id, 25, "b").await.status, 201);
    assert_eq!(system.allocate(&user_id, 1, "d").await.expect("an answer").status, 201);
    let mut notes = Notes::default();
    eventually("four events", async || {
        notes.add(listener.take().await);
        notes.events.len() >= 4
    })
    .await;
    notes.compare(&system, &user_id).await;
    let low: Vec<&Value> =
        notes.events.values().filter(|event| event["type"] == "accrue.balance.low.v1").collect();
    let [low] = low.as_slice() else { panic!("{low:?}") };
    assert_eq!((&low["data"]["seq"], &low["data"]["threshold"]), (&json!(2), &json!(10)));
    assert_eq!(low["data"]["balance"], json!({"available": 5, "reserved": 0}));
    let text = serde_json::to_string(&notes.events).expect("JSON");
    assert!(!text.contains('@') && !text.contains("reports"), "{text}");
    // All was told once, and of users as before on their own exchange.
    assert_eq!((notes.events.len(), notes.deliveries), (4, 4));
    system.finish(0).await;
}

/// Booking needs no broker. What was booked while it was away is on disk with the books,
/// outlives kill -9, and is heard of by whoever was listening.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_booked_without_a_broker_is_told_after_a_kill() {
    let Some(broker) = OwnRabbit::start().await else { return };
    let Some(shape) = Shape::two_services().await else { return };
    let settings = [ON[0], ON[1], ("BROKER_URL", broker.url()), ("BROKER_PREFIX", "accrue")];
    let listener = Listener::bind(broker.url(), ("accrue", "accounts"), "account.#").await;
    let mut system = System::start_with(shape, &settings).await;
    broker.kill().await;
    let users: Vec<String> = (0..20).map(|number| format!("newcomer-{number}")).collect();
    let allocating = users.iter().map(|user_id| system.allocate(user_id, 30, "gift"));
    for reply in join_all(allocating).await {
        assert_eq!(reply.expect("an answer").status, 201, "booking needs no broker");
    }
    assert_eq!(system.metric(&system.accounting, "outbox_depth").await, Some(20.0));
    eventually("the broker's absence is told", async || {
        let ready = system.get(&system.accounting, "/healthz/ready").await.expect("an answer");
        ready.status == 200 && ready.body["status"] == "degraded"
    })
    .await;
    for process in &mut system.processes {
        process.kill();
    }
    broker.restart().await;
    system.kill_and_restart().await;
    let mut notes = Notes::default();
    eventually("all is heard of", async || {
        notes.add(listener.take().await);
        notes.events.len() >= users.len()
    })
    .await;
    for user_id in &users {
        notes.compare(&system, user_id).await;
    }
    assert_eq!(notes.events.len(), users.len());
    eventually("the outbox is empty", async || {
        system.metric(&system.accounting, "outbox_depth").await == Some(0.0)
    })
    .await;
    system.check_logs();
}

/// Killed again and again in the middle of the work: what is in the books was told, and
/// nothing else was.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_under_load_tells_what_is_in_the_books() {
    let Some(shape) = Shape::two_services().await else { return };
    let Shape::TwoServices(servers) = &shape else { panic!("two services") };
    let listener = servers.2.listen("accounts", "account.#").await;
    let mut system = System::start_with(shape, &ON).await;
    let users: Vec<String> = (0..8).map(|number| format!("user-{number}")).collect();
    for round in 0..3 {
        let working = users.iter().map(|user_id| {
            let system = &system;
            async move {
                for number in 0..2_000 {
                    if system.allocate(user_id, 3, &format!("{round}-{number}")).await.is_err() {
                        return;
                    }
                }
            }
        });
        let kill = async {
            within(Duration::from_mins(1), "something is booked", async || {
                let batches = system.metric(&system.accounting, "ledger_batch_size_count").await;
                batches.unwrap_or(0.0) >= 30.0
            })
            .await;
            system.processes.iter().for_each(|process| process.signal("KILL"));
        };
        join(join_all(working), kill).await;
        system.kill_and_restart().await;
    }
    let mut notes = Notes::default();
    eventually("everything is published", async || {
        notes.add(listener.take().await);
        system.metric(&system.accounting, "outbox_depth").await == Some(0.0)
    })
    .await;
    notes.add(listener.take().await);
    for user_id in &users {
        notes.compare(&system, user_id).await;
        assert!(notes.entries(user_id).len() >= 3, "too little was booked to show anything");
    }
    let told: BTreeSet<&str> = notes.events.values().filter_map(|event| event["subject"].as_str()).collect();
    assert_eq!(told, users.iter().map(String::as_str).collect());
    system.finish(0).await;
}
