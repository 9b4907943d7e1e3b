//! What must hold once a system is healed, as seen from outside.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use accrue_events::broker::Depth;
use accrue_testkit::within;
use serde_json::Value;

use crate::load::log_in;
use crate::member::{Member, Service};
use crate::model::{Model, User};
use crate::operation::{Kind, Operation, Outcome};
use crate::run::Run;
use crate::settling::{do_what_the_operator_must, drained, resolve};
use crate::system::System;
use crate::target::REQUEST_LIMIT;

/// No process needs more, whatever happens: twice what one of a debug build was ever seen with.
const MEMORY_LIMIT_MIB: u64 = 224;
/// Users who are let in once more.
const LOGINS: usize = 8;

/// Checks all of them, and gives the most memory that a process has had, in MiB.
///
/// # Panics
/// With the invariant's number and what was seen, where one does not hold.
pub(crate) async fn check(run: &mut Run<'_>) -> u64 {
    resolve(&run.system, &mut run.history).await;
    drained(&run.system).await;
    do_what_the_operator_must(run).await;
    nothing_was_given_up_on(run).await;
    let model = Model::of(&run.history);
    answers_stay(&run.system, &mut run.history, &model).await;
    agree(run, &model).await;
    balances(run, &model).await;
    sign_ups_name_distinct_users(&run.history);
    let_in(&run.system, &model).await;
    let (code, said) = run.system.operate(&["audit"]).await;
    assert_eq!(code, Some(0), "I3: accrue audit: {said}");
    within(Duration::from_secs(30), "I1, I2: accrue reconcile finds nothing", async || {
        run.system.operate(&["reconcile"]).await.0 == Some(0)
    })
    .await;
    bounded(run)
}

/// I8: queues and dead letters are empty. A fault that makes dead letters has had them redriven or
/// dropped by now.
async fn nothing_was_given_up_on(run: &Run<'_>) {
    let mut seen = None;
    within(Duration::from_secs(20), "I8: the broker tells what is on it", async || {
        seen = run.system.depth().await;
        seen.is_some()
    })
    .await;
    assert_eq!(seen, Some(Depth::default()), "I8: events were given up on, or wait for ever");
}

/// I4: each key once more gives the same bytes, and says so. I10: every answer came in time.
async fn answers_stay(system: &System, history: &mut [Operation], model: &Model) {
    for (number, operation) in history.iter_mut().enumerate() {
        assert!(operation.took < REQUEST_LIMIT, "I10: {} took {:?}", operation.name(), operation.took);
        let Outcome::Done(before) = operation.outcome.clone() else { continue };
        if operation.key.is_none() {
            continue;
        }
        operation.send(&system.target, number).await;
        let user = operation.user_id.as_ref().and_then(|user_id| model.users.get(user_id));
        if operation.kind == Kind::Register && user.is_none_or(|user| user.statuses.contains(&"deleted")) {
            // Who is erased takes the reply along.
            operation.outcome = Outcome::Done(before);
            continue;
        }
        assert_eq!(operation.outcome, Outcome::Done(before), "I4: another answer to {}", operation.name());
        assert!(operation.replayed, "I4: done twice: {}", operation.name());
    }
}

/// I1, I2, I7: each user acknowledged has one account, which says of them what auth says, and nobody
/// else has one.
async fn agree(run: &Run<'_>, model: &Model) {
    let mut disagreements = vec![String::new()];
    let mut tries = 0;
    while !disagreements.is_empty() {
        tokio::time::sleep(Duration::from_millis(100)).await;
        disagreements = look(run, model).await;
        tries += 1;
        assert!(tries < 200, "I1, I2, I7: {disagreements:#?}");
    }
}

async fn look(run: &Run<'_>, model: &Model) -> Vec<String> {
    let system = &run.system;
    let mut disagreements = Vec::new();
    let by_id = |list: Vec<Value>| -> BTreeMap<String, Value> {
        let length = list.len();
        let id = |one: &Value| one["user_id"].as_str().expect("an id").to_owned();
        let map: BTreeMap<_, _> = list.into_iter().map(|one| (id(&one), one)).collect();
        assert_eq!(map.len(), length, "I1: somebody is listed twice");
        map
    };
    let accounts = by_id(system.list(Service::Accounting, "/v1/accounts").await);
    let users = by_id(system.list(Service::Auth, "/v1/users").await);
    for (user_id, known) in &model.users {
        match (users.get(user_id), accounts.get(user_id)) {
            (Some(user), Some(account)) => {
                disagreements
                    .extend(differences(known, user, account).map(|what| format!("{user_id}: {what}")));
            }
            (user, account) => disagreements.push(format!("{user_id}: {user:?} has {account:?}")),
        }
    }
    for (user_id, account) in &accounts {
        let is_lost = run.lost_users.contains(user_id)
            && ["orphaned", "closed"].map(Value::from).contains(&account["status"]);
        if !users.contains_key(user_id) && !is_lost {
            disagreements.push(format!("{account} is nobody's"));
        }
    }
    let emails: Vec<_> = users.values().filter_map(|user| user["email"].as_str()).collect();
    let distinct: BTreeSet<_> = emails.iter().collect();
    assert_eq!(distinct.len(), emails.len(), "I6: two users have one address");
    disagreements
}

fn differences(known: &User, user: &Value, account: &Value) -> impl Iterator<Item = String> + use<> {
    let status = user["status"].as_str().unwrap_or_default();
    let expected = match status {
        "active" => "active",
        "deactivated" => "suspended",
        _ => "closed",
    };
    let is_deleted = status == "deleted";
    let has_name = known.display_names.iter().any(|name| user["display_name"] == **name);
    let problems = [
        (!known.statuses.contains(&status), "auth's status is not what was acknowledged"),
        (!is_deleted && !has_name, "auth's name is not what was acknowledged"),
        (account["status"] != expected, "the account's status is not the user's"),
        (account["email"] != user["email"], "the account's address is not the user's"),
        (account["display_name"] != user["display_name"], "the account's name is not the user's"),
    ];
    let (user, account) = (user.clone(), account.clone());
    problems
        .into_iter()
        .filter(|(is_so, _)| *is_so)
        .map(move |(_, what)| format!("{what}: {user}, {account}"))
}

/// I3 and I4: a balance is what was acknowledged, each once.
async fn balances(run: &Run<'_>, model: &Model) {
    for account in run.system.list(Service::Accounting, "/v1/accounts").await {
        let user_id = account["user_id"].as_str().expect("an id");
        let (available, reserved) = model.balances.get(user_id).copied().unwrap_or_default();
        let balance = &account["balance"];
        let has = (balance["available"].as_i64(), balance["reserved"].as_i64());
        assert_eq!(has, (Some(available), Some(reserved)), "I3: what {user_id} has");
        assert!(available >= 0 && reserved >= 0, "I3: {user_id} has less than nothing");
    }
}

/// I6: no two sign-ups that were acknowledged are of one user.
fn sign_ups_name_distinct_users(history: &[Operation]) {
    let mut users = BTreeSet::new();
    for operation in
        history.iter().filter(|operation| operation.kind == Kind::Register && operation.is_done())
    {
        let user_id = operation.user_id.as_ref().expect("I6: an acknowledged registration names its user");
        assert!(users.insert(user_id), "I6: {} shares its user with another", operation.name());
    }
}

/// I1: who was acknowledged is let in with the password that they chose.
async fn let_in(system: &System, model: &Model) {
    let active = model.users.values().filter(|user| user.statuses == ["active"]);
    for (number, user) in active.take(LOGINS).enumerate() {
        let reply = log_in(&system.target, number, &user.name).await.expect("I10: auth answers");
        assert_eq!(reply.0, 200, "I1: {} is not let in", user.name);
    }
}

/// I9: memory is bounded. Gives the most that a process has had.
fn bounded(run: &Run<'_>) -> u64 {
    let peak = run.system.all_members().map(Member::peak_memory).max().unwrap_or(0);
    assert!(peak < MEMORY_LIMIT_MIB, "I9: a process has had {peak} MiB");
    peak
}
