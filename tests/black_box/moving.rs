//! Many allocations in one request, and credits that move between accounts, also where
//! processes are killed half-way.

use std::time::Duration;

use accrue_testkit::within;
use futures_util::future::{join, join_all};
use reqwest::{Error, Method};
use serde_json::{Value, json};

use crate::system::{Reply, Shape, System, send};

async fn transfer(
    system: &System,
    (from, to): (&str, &str),
    key: &str,
    amount: Value,
) -> Result<Reply, Error> {
    let path = format!("/v1/accounts/{from}/transfers");
    let mut body = json!({"to": to, "reason": "test"});
    body.as_object_mut().expect("an object").extend(amount.as_object().expect("an object").clone());
    let request = system.service_request(Method::POST, &system.accounting, &path);
    send(request.header("Idempotency-Key", key).json(&body)).await
}

async fn batch(system: &System, key: &str, orders: &Value) -> Result<Reply, Error> {
    let request = system.service_request(Method::POST, &system.accounting, "/v1/allocations/batch");
    send(request.header("Idempotency-Key", key).json(&json!({"allocations": orders}))).await
}

async fn available(system: &System, user_id: &str) -> i64 {
    system.account(user_id).await.body["balance"]["available"].as_i64().unwrap_or(0)
}

pub(crate) async fn credits_of_a_mistyped_id_are_brought_back(shape: Shape) {
    let system = System::start(shape).await;
    let user_id = system.register("ada").await;
    system.active_account(&user_id).await;
    assert_eq!(system.allocate("mistyped", 100, "a").await.expect("an answer").status, 201);
    let ends = ("mistyped", user_id.as_str());
    let fifty = join_all((0..50).map(|_| transfer(&system, ends, "same", json!({"credits": 30})))).await;
    let fifty: Vec<Reply> = fifty.into_iter().map(|reply| reply.expect("an answer")).collect();
    assert!(fifty.iter().all(|reply| reply.status == 201 && reply.bytes == fifty[0].bytes), "{fifty:?}");
    let firsts = fifty.iter().filter(|reply| !reply.headers.contains_key("idempotency-replayed")).count();
    assert_eq!(firsts, 1);
    let all = transfer(&system, ends, "all", json!({"all": true})).await.expect("an answer");
    assert_eq!((all.status, &all.body["transfer"]["credits"]), (201, &json!(70)));
    assert_eq!(all.body["target"]["account_status"], "active");
    let location = all.headers["location"].to_str().expect("text").to_owned();
    let entry = system.get(&system.accounting, &location).await.expect("an answer");
    assert_eq!((entry.status, &entry.body["counterparty"]), (200, &json!(user_id)));
    assert_eq!((available(&system, "mistyped").await, available(&system, &user_id).await), (0, 100));
    let none = transfer(&system, ends, "more", json!({"all": true})).await.expect("an answer");
    assert_eq!((none.status, &none.body["code"]), (409, &json!("nothing_to_transfer")));

    // Opposite ones at once wait for each other and both pass.
    for round in 0..10 {
        let key = format!("r{round}");
        let (there, back) = join(
            transfer(&system, (&user_id, "friend"), &key, json!({"credits": 9})),
            transfer(&system, ("friend", &user_id), &key, json!({"credits": 4})),
        )
        .await;
        assert_eq!(there.expect("an answer").status, 201);
        let back = back.expect("an answer").status;
        assert!(back == 201 || (back == 402 && round == 0), "{back}");
    }
    assert_eq!(available(&system, &user_id).await + available(&system, "friend").await, 100);
    system.finish(0).await;
}

pub(crate) async fn a_batch_killed_half_way_goes_on(shape: Shape) {
    const USERS: usize = 20;
    let mut system = System::start(shape).await;
    let user_id = |i: usize| format!("u{}", i % USERS);
    let orders: Value =
        (0..1_000).map(|i| json!({"user_id": user_id(i), "credits": 3, "reason": "bonus"})).collect();
    let kill = async {
        within(Duration::from_mins(1), "some are booked", async || available(&system, "u0").await > 0).await;
        system.processes.iter().for_each(|process| process.signal("KILL"));
    };
    let (told, ()) = join(batch(&system, "b", &orders), kill).await;
    system.kill_and_restart().await;
    let before = told.ok();
    let reply = within(Duration::from_mins(1), "the batch is through", async || {
        let reply = batch(&system, "b", &orders).await.expect("an answer");
        assert!(reply.status == 200 || reply.status == 503, "{}", reply.body);
        (reply.status == 200).then_some(reply)
    })
    .await;
    let results = reply.body["results"].as_array().expect("results");
    let is_made = |result: &Value| result["outcome"].as_str().is_some_and(|one| one.ends_with("created"));
    assert!(results.len() == 1_000 && results.iter().all(is_made), "{results:?}");
    // Where the answer was faster than the kill, everything had been made by then.
    if before.is_some_and(|reply| reply.status == 200) {
        assert!(results.iter().all(|result| result["outcome"] == "already_created"), "{results:?}");
    }
    for user in 0..USERS {
        assert_eq!(available(&system, &user_id(user)).await, 150, "u{user}");
        let entries = system.all(&format!("/v1/accounts/{}/entries", user_id(user)), 200).await;
        assert_eq!(entries.len(), 50, "u{user}");
    }
    let other = batch(&system, "b", &json!([{"user_id": "u0", "credits": 3}])).await.expect("an answer");
    assert_eq!((other.status, &other.body["code"]), (422, &json!("idempotency_key_reused")));
    system.finish(0).await;
}

/// Sends transfers around a ring until one is not answered. Says which one that was.
async fn send_around(system: &System, (worker, round): (usize, usize)) -> Option<usize> {
    for i in 0..10_000 {
        let (from, to) = ring(worker, i);
        let key = format!("w{worker}-r{round}-{i}");
        match transfer(system, (&from, &to), &key, json!({"credits": 5})).await {
            Ok(reply) => assert!([201, 402, 503].contains(&reply.status), "{}", reply.body),
            Err(_) => return Some(i),
        }
    }
    None
}

fn ring(worker: usize, i: usize) -> (String, String) {
    let from = (worker + i) % 5;
    (format!("u{from}"), format!("u{}", (from + 1 + worker % 4) % 5))
}

pub(crate) async fn a_kill_moves_whole_or_not_at_all(shape: Shape) {
    let mut system = System::start(shape).await;
    let orders: Value = (0..5).map(|user| json!({"user_id": format!("u{user}"), "credits": 200})).collect();
    assert_eq!(batch(&system, "b", &orders).await.expect("an answer").status, 200);
    for round in 0..3 {
        let seq = async || {
            let entries = system.get(&system.accounting, "/v1/accounts/u0/entries?limit=1").await;
            entries.ok().and_then(|reply| reply.body["data"][0]["seq"].as_i64()).unwrap_or(0)
        };
        let begun = seq().await;
        let kill = async {
            within(Duration::from_mins(1), "credits move", async || seq().await >= begun + 10).await;
            system.processes.iter().for_each(|process| process.signal("KILL"));
        };
        let work = join_all((0..4).map(|worker| send_around(&system, (worker, round))));
        let (cut_off, ()) = join(work, kill).await;
        system.kill_and_restart().await;
        // What was not answered is sent again: it counts once, whatever had become of it.
        for (worker, i) in cut_off.into_iter().enumerate() {
            let i = i.expect("the kill cut it off");
            let (from, to) = ring(worker, i);
            let key = format!("w{worker}-r{round}-{i}");
            let first = decided(&system, (&from, &to), &key).await;
            let again = decided(&system, (&from, &to), &key).await;
            assert_eq!((first.status, &first.bytes), (again.status, &again.bytes));
        }
        check(&system).await;
    }
    system.finish(0).await;
}

/// Sends a transfer until it is decided: the database may still hold what a killed process
/// had locked.
async fn decided(system: &System, ends: (&str, &str), key: &str) -> Reply {
    within(Duration::from_mins(1), "the transfer is decided", async || {
        let reply = transfer(system, ends, key, json!({"credits": 5})).await.expect("an answer");
        (reply.status != 503).then_some(reply)
    })
    .await
}

/// That nothing was lost or made, and each transfer is on both of its accounts.
async fn check(system: &System) {
    let (mut sum, mut out, mut into) = (0, Vec::new(), Vec::new());
    for user in 0..5 {
        let user_id = format!("u{user}");
        sum += available(system, &user_id).await;
        for entry in system.all(&format!("/v1/accounts/{user_id}/entries"), 200).await {
            let (kind, credits) = (entry["kind"].as_str(), entry["credits"].as_i64().expect("a number"));
            let ends = (entry["reference"].to_string(), credits.abs());
            match kind {
                Some("transfer_out") => out.push(ends),
                Some("transfer_in") => into.push(ends),
                _ => assert_eq!(kind, Some("allocation")),
            }
        }
    }
    assert_eq!(sum, 1_000);
    out.sort();
    into.sort();
    assert_eq!(out, into);
}
