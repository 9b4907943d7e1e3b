//! What must hold once a world is healed, as seen from outside.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use accrue_chassis::clock::SystemClock;
use accrue_events::broker::{Depth, Topology, Trust, open};
use accrue_testkit::within;
use serde_json::Value;

use crate::load::{Kind, Operation, Outcome};
use crate::world::{REQUEST_LIMIT, Service, World};

/// Checks all of them.
///
/// # Panics
/// With the invariant's number and what was seen, where one does not hold.
pub(crate) async fn check(world: &World, history: &mut [Operation]) {
    resolve(world, history).await;
    drained(world).await;
    replays(world, history).await;
    let accounts = accounts_at_rest(world, history).await;
    users_and_accounts_agree(history, &accounts);
    balances(history, &accounts);
    let (code, said) = world.operate(&["audit"]);
    assert_eq!(code, Some(0), "I3: accrue audit: {said}");
}

/// I5: what had no answer gets one under the same key. I10: every answer came in time.
async fn resolve(world: &World, history: &mut [Operation]) {
    for (number, operation) in history.iter_mut().enumerate() {
        if operation.outcome == Outcome::Unknown {
            let what = format!("I5: {:?} {} is answered", operation.kind, operation.key);
            within(Duration::from_mins(1), &what, async || {
                operation.send(world.target(), number).await;
                operation.outcome != Outcome::Unknown
            })
            .await;
        }
        assert!(operation.took < REQUEST_LIMIT, "I10: {} took {:?}", operation.key, operation.took);
    }
}

/// I8 and I9: nothing waits in the outbox or the queues, and nothing was given up on.
async fn drained(world: &World) {
    let broker = open(world.rabbitmq.url(), Trust::default(), Topology::default(), Arc::new(SystemClock))
        .expect("a broker");
    let mut seen = None;
    within(Duration::from_secs(90), "I8, I9: outbox and queues drain", async || {
        let outbox = world.metric(Service::Auth, 0, "outbox_depth").await;
        seen = broker.depth().await.ok();
        outbox == Some(0.0) && seen.is_some_and(|depth| depth.queue == 0 && depth.retry == 0)
    })
    .await;
    assert_eq!(seen, Some(Depth::default()), "I8: the dead-letter queue holds what nobody put there");
}

/// I4: each key once more gives the same bytes, and says so.
async fn replays(world: &World, history: &mut [Operation]) {
    for (number, operation) in history.iter_mut().enumerate() {
        let Outcome::Done(before) = operation.outcome.clone() else { continue };
        operation.send(world.target(), number).await;
        assert_eq!(operation.outcome, Outcome::Done(before), "I4: {} changed its answer", operation.key);
        assert!(operation.replayed, "I4: {} was done twice", operation.key);
    }
}

/// The accounts once those of all users are active: what is being delivered is in no queue any more,
/// and in no account yet.
async fn accounts_at_rest(world: &World, history: &[Operation]) -> BTreeMap<String, Value> {
    let is_active = |accounts: &BTreeMap<String, Value>, operation: &Operation| {
        let account = operation.user_id.as_ref().and_then(|user_id| accounts.get(user_id));
        account.is_some_and(|account| account["status"] == "active")
    };
    let mut seen = BTreeMap::new();
    within(Duration::from_mins(1), "I1: the account of every user is active", async || {
        seen = accounts(world).await;
        let mut registrations = history.iter().filter(|operation| operation.kind == Kind::Register);
        registrations.all(|operation| is_active(&seen, operation))
    })
    .await;
    seen
}

async fn accounts(world: &World) -> BTreeMap<String, Value> {
    let mut accounts = BTreeMap::new();
    let mut cursor = String::new();
    loop {
        let page = world.get(Service::Accounting, &format!("/v1/accounts?limit=100{cursor}")).await;
        let page = page.expect("accounting answers").body;
        for account in page["data"].as_array().expect("a list") {
            let id = account["user_id"].as_str().expect("an id").to_owned();
            assert!(accounts.insert(id, account.clone()).is_none(), "I1: an account is listed twice");
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return accounts,
        }
    }
}

/// I1, I2, I6, I7: one active account for each user acknowledged, and for nobody else.
fn users_and_accounts_agree(history: &[Operation], accounts: &BTreeMap<String, Value>) {
    let registrations = history.iter().filter(|operation| operation.kind == Kind::Register);
    let mut users = BTreeSet::new();
    for operation in registrations {
        let user_id = operation.user_id.as_ref().expect("I5: a registration ends with a user");
        assert!(users.insert(user_id), "I6: {} shares its user with another", operation.key);
        let status = accounts.get(user_id).map(|account| &account["status"]);
        assert_eq!(status, Some(&Value::from("active")), "I1: the account of {}", operation.key);
    }
    let strangers: Vec<_> = accounts.keys().filter(|id| !users.contains(id)).collect();
    assert!(strangers.is_empty(), "I2: accounts of nobody: {strangers:?}");
}

/// I3 and I4: a balance is what was acknowledged, each once.
fn balances(history: &[Operation], accounts: &BTreeMap<String, Value>) {
    let mut expected: BTreeMap<&str, i64> = BTreeMap::new();
    for operation in history.iter().filter(|operation| matches!(operation.outcome, Outcome::Done(_))) {
        let Some(user_id) = &operation.user_id else { continue };
        *expected.entry(user_id).or_default() += match operation.kind {
            Kind::Register => 0,
            Kind::Allocate(credits) => credits,
            Kind::Use(credits) => -credits,
        };
    }
    for (user_id, credits) in expected {
        let available = accounts[user_id]["balance"]["available"].as_i64();
        assert_eq!(available, Some(credits), "I3: what {user_id} has");
    }
}
