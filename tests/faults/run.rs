//! Runs: one fault each under load on a world that they share, in an order that a seed gives.

use std::env;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::time::Duration;

use crate::faults::{NAMES, inflict};
use crate::invariants;
use crate::load::{Load, Operation};
use crate::world::World;

/// What `cargo test` does by itself. The points at which a crash could lose an event are also in
/// `tests/links`, where nothing else goes on.
const SHORT: &[&str] = &["kill-accounting", "kill-auth", "kill-postgres"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_outlives_every_fault() {
    let (seed, plan) = plan();
    println!("seed {seed}: {}", plan.join(", "));
    let Some(mut world) = World::start().await else { return };
    let mut history = Vec::new();
    for (number, fault) in plan.iter().enumerate() {
        println!("run {number} of seed {seed}: {fault}");
        run(&mut world, fault, &format!("r{seed}-{number}"), &mut history).await;
        record(&format!("{seed}\t{number}\t{fault}\theld\t{}\n", history.len()));
    }
}

async fn run(world: &mut World, fault: &str, name: &str, history: &mut Vec<Operation>) {
    let load = Load::start(world.target(), name, 2);
    // Requests are under way in every part when the fault comes.
    tokio::time::sleep(Duration::from_secs(1)).await;
    history.extend(inflict(fault, world, name).await);
    world.heal().await;
    history.extend(load.stop().await);
    invariants::check(world, history).await;
}

/// The seed, and its faults: `FAULTS_ONLY`, or `FAULTS_RUNS` of all in turn, begun where the seed says.
fn plan() -> (u64, Vec<&'static str>) {
    let number = |name: &str| env::var(name).ok().map(|value| value.parse::<usize>().expect("a number"));
    let seed = number("FAULTS_SEED").unwrap_or(0);
    let only = env::var("FAULTS_ONLY").ok();
    let faults: Vec<_> =
        NAMES.iter().copied().filter(|name| only.as_deref().is_none_or(|only| only == *name)).collect();
    assert!(!faults.is_empty(), "FAULTS_ONLY names no fault; there are {}", NAMES.join(", "));
    let plan = match (number("FAULTS_RUNS"), only) {
        (None, None) => SHORT.to_vec(),
        (runs, _) => {
            faults.iter().copied().cycle().skip(seed % faults.len()).take(runs.unwrap_or(1)).collect()
        }
    };
    (seed as u64, plan)
}

/// Adds a line to the file of `FAULTS_RESULTS`, where one is given.
fn record(line: &str) {
    let Ok(path) = env::var("FAULTS_RESULTS") else { return };
    let file = OpenOptions::new().create(true).append(true).open(path);
    file.and_then(|mut file| file.write_all(line.as_bytes())).expect("the results can be written");
}
