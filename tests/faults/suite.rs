//! What `cargo test` and `run.sh` run: plans by a seed, one after the other, on shared servers.

use std::env;
use std::fs::OpenOptions;
use std::io::Write as _;

use crate::dice::{Dice, Whose};
use crate::inflict::{COMPANIONS, FAULTS, Fault, Worlds, fake_clock};
use crate::run::{Plan, Run};
use crate::servers::Servers;

/// What `cargo test` does by itself.
const SHORT: &[Fault] = &[
    Fault::KillAccounting,
    Fault::KillAuth,
    Fault::KillInSlowMotion,
    Fault::KillBesideOneStuck,
    Fault::KillPostgres,
    Fault::AfterInsertBeforePublish,
    Fault::AfterPublishBeforeConfirm,
    Fault::AfterConfirmBeforeMark,
    Fault::AfterCommitBeforeAck,
    Fault::CrashLoop,
    Fault::LoseTopology,
    Fault::Duplicates,
    Fault::HalfOpen,
    Fault::Hammer,
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_outlives_every_fault() {
    let plans = plans(false);
    if plans.is_empty() {
        return;
    }
    let Some(servers) = Servers::start().await else { return };
    go(&plans, Some(&servers)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_outlives_every_fault_of_the_all_in_one() {
    let plans = plans(true);
    if !plans.is_empty() {
        go(&plans, None).await;
    }
}

async fn go(plans: &[Plan], servers: Option<&Servers>) {
    let names = match servers {
        Some(servers) => servers.names().await,
        None => "SQLite and the broker in it".to_owned(),
    };
    // The harness has begun a line.
    println!("\non {names}");
    for plan in plans {
        let faults: Vec<_> = plan.faults.iter().map(|fault| fault.name()).collect();
        let what = format!("{} of seed {}: {}", plan.number, plan.seed, faults.join(", then "));
        if let Some(why) = plan.faults.iter().find_map(|fault| impossible(*fault, servers)) {
            println!("SKIP run {what}: {why}");
            continue;
        }
        println!("run {what}");
        let told = Run::go(plan, servers).await;
        println!("held {what}: {told}");
        record(&format!("{}\t{}\t{}\theld\t{told}\t{names}\n", plan.seed, plan.number, faults.join(" ")));
    }
}

/// Why this machine cannot have that fault.
fn impossible(fault: Fault, servers: Option<&Servers>) -> Option<&'static str> {
    match fault {
        Fault::Clock if fake_clock().is_none() => Some("clocks cannot be shifted without libfaketime"),
        Fault::DiskFull if servers.is_some_and(|servers| !servers.has_disk()) => {
            Some("PostgreSQL has no disk of its own: that takes the right to mount one")
        }
        _ => None,
    }
}

fn number(name: &str) -> Option<u64> {
    env::var(name).ok().map(|value| value.parse().expect("a number"))
}

/// The plans that the environment asks for, of one world or the other.
fn plans(all_in_one: bool) -> Vec<Plan> {
    let seed = number("FAULTS_SEED").unwrap_or(0);
    let plan = |number, faults| Plan { seed, number, faults, all_in_one };
    let Some(runs) = number("FAULTS_RUNS") else {
        let short = if all_in_one { &SHORT[..1] } else { SHORT };
        return short.iter().zip(0..).map(|(fault, number)| plan(number, vec![*fault])).collect();
    };
    if (env::var("FAULTS_WORLD").as_deref() == Ok("all-in-one")) != all_in_one {
        return Vec::new();
    }
    let only = env::var("FAULTS_ONLY").ok();
    let first = number("FAULTS_FIRST").unwrap_or(0);
    (first..first + runs)
        .map(|number| plan(number, faults_of(seed, number, only.as_deref(), all_in_one)))
        .collect()
}

/// Each fault in its turn, in an order that is the seed's, and by chance another one before or after it.
fn faults_of(seed: u64, number: u64, only: Option<&str>, all_in_one: bool) -> Vec<Fault> {
    let is_wanted = |(name, fault, _): &&(&str, Fault, Worlds)| {
        only.is_none_or(|only| only == *name) && (!all_in_one || fault.is_for_all_in_one())
    };
    let mut all: Vec<_> = FAULTS.iter().filter(is_wanted).map(|(_, fault, _)| *fault).collect();
    assert!(!all.is_empty(), "FAULTS_ONLY names no fault of this world");
    let length = all.len() as u64;
    Dice::of(seed, number / length, Whose::Order).shuffle(&mut all);
    let turn =
        all.into_iter().zip(0..).find_map(|(fault, place)| (place == number % length).then_some(fault));
    let mut faults = vec![turn.expect("each has its turn")];
    let mut dice = Dice::of(seed, number, Whose::Companion);
    if only.is_none() && dice.percent(40) {
        let companion = COMPANIONS[dice.place(COMPANIONS.len())];
        if !all_in_one || companion.is_for_all_in_one() {
            faults.insert(dice.place(2), companion);
        }
    }
    faults
}

/// Adds a line to the file of `FAULTS_RESULTS`, where one is given.
fn record(line: &str) {
    let Ok(path) = env::var("FAULTS_RESULTS") else { return };
    let file = OpenOptions::new().create(true).append(true).open(path);
    file.and_then(|mut file| file.write_all(line.as_bytes())).expect("the results can be written");
}
