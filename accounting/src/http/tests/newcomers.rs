//! Requests for users who have no account, as their callers see them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use serde_json::{Value, json};
use uuid::Uuid;

use super::standing::{hear_of, live};
use super::{Answer, Api};
use crate::batcher::Batcher;
use crate::directory::{Checks, DirectoryError, OnUnknownUser, Presence, UserDirectory};
use crate::http::Newcomers;
use crate::ledger::Command;

const BATCH: &str = "/v1/allocations/batch";

/// auth, as far as it is asked after users: whom nothing is said of is not known to it.
#[derive(Default)]
struct Auth {
    users: Mutex<BTreeMap<String, Presence>>,
    /// It takes questions and never answers.
    hangs: AtomicBool,
    /// It takes so long to answer.
    latency_ms: AtomicU64,
    /// Once it has looked for a user, and before it says so, credits are booked for them here.
    batcher: OnceLock<Batcher>,
    asked: AtomicUsize,
    at_once: AtomicUsize,
    most_at_once: AtomicUsize,
}

impl Auth {
    fn set(&self, user_id: &str, presence: Presence) {
        self.users.lock().expect("no test panics with it").insert(user_id.to_owned(), presence);
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl UserDirectory for Auth {
    async fn look_up(&self, user_id: &str) -> Result<Presence, DirectoryError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let at_once = self.at_once.fetch_add(1, Ordering::Relaxed) + 1;
        self.most_at_once.fetch_max(at_once, Ordering::Relaxed);
        if self.hangs.load(Ordering::Relaxed) {
            return std::future::pending().await;
        }
        tokio::time::sleep(Duration::from_millis(self.latency_ms.load(Ordering::Relaxed))).await;
        if let Some(batcher) = self.batcher.get() {
            let command = Command::apply_user(live(user_id, 1), Uuid::now_v7());
            batcher.post(command).await.expect("posted").expect("applied");
        }
        // Whoever else is to be asked by now, is.
        tokio::task::yield_now().await;
        self.at_once.fetch_sub(1, Ordering::Relaxed);
        let users = self.users.lock().expect("no test panics with it");
        Ok(users.get(user_id).copied().unwrap_or(Presence::Unknown))
    }
}

async fn start(by_default: OnUnknownUser) -> (Api, Arc<Auth>) {
    let auth = Arc::new(Auth::default());
    let checks = Checks::new(Arc::<Auth>::clone(&auth), Duration::from_secs(10));
    (Api::start_with(Newcomers { by_default, checks: Some(Arc::new(checks)) }).await, auth)
}

async fn allocate(api: &Api, user_id: &str, key: &str, body: Value) -> Answer {
    api.post_to(&format!("/v1/accounts/{user_id}/allocations"), key, body).await
}

fn codes(answer: &Answer) -> Vec<&str> {
    assert_eq!(answer.status, 200, "{}", answer.body);
    let results = answer.body["results"].as_array().expect("results").iter();
    results.map(|one| one["code"].as_str().or(one["outcome"].as_str()).expect("text")).collect()
}

#[tokio::test]
async fn none_is_opened_where_unknown_users_are_rejected() {
    let (api, auth) = start(OnUnknownUser::Reject).await;
    allocate(&api, "ada", "a", json!({"credits": 5})).await.is(404, "user_unknown");
    let adjustment = json!({"credits": 5, "reason": "x"});
    api.post("/adjustments", "b", adjustment.clone()).await.is(404, "user_unknown");
    for (path, body) in [
        ("/usage", json!({"units": {"tokens": 0}, "resource": "chat"})),
        ("/reservations", json!({"units": {"tokens": 0}, "resource": "chat", "expires_in": 60})),
    ] {
        api.post(path, "c", body).await.is(404, "user_unknown");
    }
    // What opens none is answered as ever.
    api.post("/usage", "d", json!({"credits": 5})).await.is(402, "insufficient_credits");
    api.get("").await.is(404, "account_not_found");

    hear_of(&api, "ada", 1).await;
    // A refusal leaves its key free.
    allocate(&api, "ada", "a", json!({"credits": 5})).await.is_created();
    api.post("/adjustments", "b", adjustment).await.is_created();
    let to_bob = json!({"to": "bob", "credits": 3, "reason": "x"});
    api.post("/transfers", "t", to_bob.clone()).await.is(404, "user_unknown");
    api.get_of("bob", "").await.is(404, "account_not_found");
    assert_eq!(api.get("").await.body["balance"]["available"], 10);

    // A request may say otherwise, and the other way round.
    allocate(&api, "bob", "p", json!({"credits": 1, "on_unknown_user": "placeholder"})).await.is_created();
    api.post("/transfers", "t", to_bob).await.is_created();
    let batch = json!({"allocations": [
        {"user_id": "eve", "credits": 1}, {"user_id": "ada", "credits": 1},
        {"user_id": "joe", "credits": 1, "on_unknown_user": "placeholder"},
        {"user_id": "joe", "credits": 1},
    ]});
    let first = api.post_to(BATCH, "x", batch.clone()).await;
    assert_eq!(codes(&first), ["user_unknown", "created", "created", "user_unknown"]);
    // By now joe is known, and what was refused is tried again.
    let again = api.post_to(BATCH, "x", batch).await;
    assert_eq!(codes(&again), ["user_unknown", "already_created", "already_created", "created"]);
    assert_eq!(auth.asked(), 0);
    api.stop().await;
}

#[tokio::test]
async fn auth_is_asked_only_where_an_account_would_be_opened() {
    let (api, auth) = start(OnUnknownUser::Verify).await;
    auth.set("gone", Presence::Deleted);
    auth.set("ada", Presence::Alive);
    allocate(&api, "nobody", "a", json!({"credits": 5})).await.is(404, "user_unknown");
    allocate(&api, "gone", "a", json!({"credits": 5})).await.is(409, "user_deleted");
    api.get_of("gone", "").await.is(404, "account_not_found");
    let first = allocate(&api, "ada", "a", json!({"credits": 5})).await;
    first.is_created();
    assert_eq!((&first.body["account_status"], auth.asked()), (&json!("placeholder"), 3));

    // From now on ada is known here, whatever auth says, and what was booked is answered alike.
    auth.set("ada", Presence::Unknown);
    let again = allocate(&api, "ada", "a", json!({"credits": 5})).await;
    assert_eq!((again.header("idempotency-replayed"), &again.body), (Some("true"), &first.body));
    allocate(&api, "ada", "b", json!({"credits": 5})).await.is_created();
    assert_eq!(auth.asked(), 3);

    // No answer is remembered.
    auth.set("nobody", Presence::Alive);
    allocate(&api, "nobody", "a", json!({"credits": 5})).await.is_created();
    auth.set("late", Presence::Unknown);
    let batch = json!({"allocations": [
        {"user_id": "late", "credits": 1}, {"user_id": "gone", "credits": 1}, {"user_id": "ada", "credits": 1},
        {"user_id": "late", "credits": 2, "on_unknown_user": "reject"},
    ]});
    let refused = api.post_to(BATCH, "x", batch.clone()).await;
    assert_eq!(codes(&refused), ["user_unknown", "user_deleted", "created", "user_unknown"]);
    auth.set("late", Presence::Alive);
    let again = api.post_to(BATCH, "x", batch).await;
    assert_eq!(codes(&again), ["created", "user_deleted", "already_created", "user_unknown"]);
    api.stop().await;
}

#[tokio::test]
async fn a_transfer_is_answered_by_its_key_before_its_target_is_looked_for() {
    let (api, auth) = start(OnUnknownUser::Verify).await;
    hear_of(&api, "ada", 1).await;
    allocate(&api, "ada", "a", json!({"credits": 5})).await.is_created();
    let order = |to: &str| json!({"to": to, "credits": 1, "reason": "x"});
    api.post("/transfers", "t", order("bob")).await.is(404, "user_unknown");
    auth.set("bob", Presence::Alive);
    let first = api.post("/transfers", "t", order("bob")).await;
    first.is_created();
    assert_eq!(api.post("/transfers", "t", order("bob")).await.body, first.body);
    api.post("/transfers", "t", order("nobody")).await.is(422, "idempotency_key_reused");
    api.post("/transfers", "u", order("nobody")).await.is(404, "user_unknown");
    api.stop().await;
}

#[tokio::test]
async fn an_auth_that_hangs_holds_up_nobody_for_long() {
    let (api, auth) = start(OnUnknownUser::Verify).await;
    auth.hangs.store(true, Ordering::Relaxed);
    let begun = Instant::now();
    let first = allocate(&api, "u0", "a", json!({"credits": 5})).await;
    first.is_created();
    assert_eq!(first.body["account_status"], "placeholder");
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    for user in 1..20 {
        allocate(&api, &format!("u{user}"), "a", json!({"credits": 5})).await.is_created();
    }
    assert_eq!(auth.asked(), 5, "after five it is left alone");
    api.stop().await;

    // A thousand at once wait no longer than a few.
    let (api, auth) = start(OnUnknownUser::Verify).await;
    auth.hangs.store(true, Ordering::Relaxed);
    let orders: Vec<Value> =
        (0..1_000).map(|user| json!({"user_id": format!("u{user}"), "credits": 1})).collect();
    let made = api.post_to(BATCH, "x", json!({"allocations": orders})).await;
    assert!(codes(&made).iter().all(|code| *code == "created"));
    assert!(auth.asked() <= 32, "{}", auth.asked());
    api.stop().await;
}

#[tokio::test]
async fn a_slow_auth_has_one_deadline_for_a_whole_batch() {
    let (api, auth) = start(OnUnknownUser::Verify).await;
    auth.latency_ms.store(300, Ordering::Relaxed);
    let orders: Vec<Value> =
        (0..1_000).map(|user| json!({"user_id": format!("u{user}"), "credits": 1})).collect();
    let made = api.post_to(BATCH, "x", json!({"allocations": orders})).await;
    let refused = codes(&made).into_iter().filter(|code| *code == "user_unknown").count();
    // In two seconds 16 at a time are asked six times over.
    assert!((1..=112).contains(&refused), "{refused}");
    assert_eq!(codes(&made).into_iter().filter(|code| *code == "created").count(), 1_000 - refused);
    api.stop().await;
}

#[tokio::test]
async fn whoever_gets_an_account_while_auth_is_asked_is_not_refused() {
    let (api, auth) = start(OnUnknownUser::Verify).await;
    assert!(auth.batcher.set(api.batcher.clone()).is_ok());
    let made = allocate(&api, "ada", "a", json!({"credits": 5})).await;
    made.is_created();
    assert_eq!((&made.body["account_status"], auth.asked()), (&json!("active"), 1));
    api.stop().await;
}

#[tokio::test]
async fn a_batch_asks_after_each_user_once_and_few_at_a_time() {
    let (api, auth) = start(OnUnknownUser::Verify).await;
    for user in (0..500).filter(|user| user % 2 == 0) {
        auth.set(&format!("u{user}"), Presence::Alive);
    }
    let orders: Vec<Value> =
        (0..1_000).map(|place| json!({"user_id": format!("u{}", place % 500), "credits": 1})).collect();
    let made = api.post_to(BATCH, "x", json!({"allocations": orders})).await;
    for (place, code) in codes(&made).into_iter().enumerate() {
        assert_eq!(code, if place % 2 == 0 { "created" } else { "user_unknown" }, "{place}");
    }
    assert_eq!(auth.asked(), 500);
    assert!((2..=16).contains(&auth.most_at_once.load(Ordering::Relaxed)));
    api.stop().await;
}

#[tokio::test]
async fn what_cannot_be_verified_here_is_told() {
    let api = Api::start().await;
    let order = json!({"credits": 1, "on_unknown_user": "verify"});
    let refused = allocate(&api, "ada", "a", order).await;
    refused.is(400, "invalid_request");
    let error = &refused.body["errors"][0];
    assert_eq!((&error["pointer"], &error["code"]), (&json!("/on_unknown_user"), &json!("not_available")));
    let batch = json!({"allocations": [{"user_id": "ada", "credits": 1, "on_unknown_user": "verify"}]});
    let refused = api.post_to(BATCH, "x", batch).await;
    assert_eq!(refused.body["errors"][0]["pointer"], "/allocations/0/on_unknown_user");
    let unknown = json!({"credits": 1, "on_unknown_user": "guess"});
    allocate(&api, "ada", "a", unknown).await.is(400, "invalid_request");
    allocate(&api, "ada", "a", json!({"credits": 1, "on_unknown_user": "reject"}))
        .await
        .is(404, "user_unknown");
    api.get("").await.is(404, "account_not_found");
    api.stop().await;
}
