//! What benchmarks are measured with where a shell is too slow: events to consume, a consumer without
//! a database, raw hashes, and the lag from a registration to its account.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use accrue_auth::passwords::HashCost;
use accrue_chassis::clock::{Clock as _, SystemClock};
use accrue_events::broker::{Broker, Destination, Message, Publication, Settlement, Topology, Trust, open};
use accrue_events::user::{UserEvent, UserEventKind, UserSnapshot, UserStatus};
use anyhow::{Context as _, bail, ensure};
use argon2::{Algorithm, Argon2, Params, Version};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

const USAGE: &str = "usage: yardstick publish URL PREFIX COUNT | consume URL PREFIX COUNT | hash SECONDS
                 | lag AUTH_URL ACCOUNTING_URL TOKEN COUNT
publish  puts so many UserRegistered into the queue of accounting
consume  takes and acks so many, and prints how many a second
hash     hashes passwords on every core, and prints how many a second
lag      registers so many users, one after the other, and prints from each answer to the active account:
         p50 and p99 in milliseconds, with the request that waits for it";
/// Messages that are published, or taken, at once.
const WINDOW: usize = 256;
const PREFETCH: u16 = 300;

#[tokio::main]
async fn main() -> ExitCode {
    drop(rustls::crypto::ring::default_provider().install_default());
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        ["publish", url, prefix, count] => publish(url, prefix, count).await,
        ["consume", url, prefix, count] => consume(url, prefix, count).await,
        ["hash", seconds] => hash(seconds),
        ["lag", auth, accounting, token, count] => lag((auth, accounting), token, count).await,
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(told) => {
            println!("{told}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("yardstick: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn broker(url: &str, prefix: &str) -> anyhow::Result<Broker> {
    Ok(open(url, Trust::default(), Topology::new(prefix)?, Arc::new(SystemClock))?)
}

fn registered(number: usize) -> Message {
    let now = SystemClock.now();
    let user = UserSnapshot {
        user_id: format!("{number:024x}"),
        version: 1_767_323_045_678,
        status: UserStatus::Active,
        email: Some(format!("user{number}@example.com")),
        email_verified: false,
        username: None,
        display_name: Some(format!("User {number}")),
        registered_at: now,
    };
    UserEvent { id: Uuid::now_v7(), kind: UserEventKind::Registered, occurred_at: now, user }.to_message(None)
}

async fn publish(url: &str, prefix: &str, count: &str) -> anyhow::Result<String> {
    let count: usize = count.parse().context("COUNT is a number")?;
    let mut publisher = broker(url, prefix)?.publisher(Destination::Users);
    publisher.connect().await?;
    let begun = Instant::now();
    for first in (0..count).step_by(WINDOW) {
        let window: Vec<Message> = (first..count.min(first + WINDOW)).map(registered).collect();
        let publications = publisher.publish(&window).await?;
        ensure!(
            publications.iter().all(|one| *one == Publication::Confirmed),
            "not every message was confirmed"
        );
    }
    Ok(per_second(count, begun))
}

async fn consume(url: &str, prefix: &str, count: &str) -> anyhow::Result<String> {
    let count: usize = count.parse().context("COUNT is a number")?;
    let mut subscription = broker(url, prefix)?.subscriber().subscribe(PREFETCH).await?;
    let begun = Instant::now();
    let mut taken = Vec::new();
    for number in 1..=count {
        let delivery = subscription.next().await?;
        taken.push((delivery.tag, Settlement::Ack));
        if taken.len() == WINDOW || number == count {
            subscription.settle(std::mem::take(&mut taken)).await?;
        }
    }
    let told = per_second(count, begun);
    // What was acked last is on its way.
    tokio::time::sleep(Duration::from_secs(1)).await;
    Ok(told)
}

fn hash(seconds: &str) -> anyhow::Result<String> {
    let limit = Duration::from_secs(seconds.parse().context("SECONDS is a number")?);
    let HashCost { memory_kib, passes } = HashCost::default();
    let begun = Instant::now();
    let on_one_core = move || {
        let params = Params::new(memory_kib, passes, 1, None).expect("the default cost is one of argon2's");
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let (mut hashes, mut output) = (0, [0; 32]);
        while begun.elapsed() < limit {
            argon2.hash_password_into(b"correct horse", b"sixteen bytes ok", &mut output).expect("it hashes");
            hashes += 1;
        }
        hashes
    };
    let cores = std::thread::available_parallelism()?.get();
    let threads: Vec<_> = (0..cores).map(|_| std::thread::spawn(on_one_core)).collect();
    let mut hashes = 0;
    for thread in threads {
        match thread.join() {
            Ok(done) => hashes += done,
            Err(_) => bail!("a thread panicked"),
        }
    }
    Ok(per_second(hashes, begun))
}

async fn lag((auth, accounting): (&str, &str), token: &str, count: &str) -> anyhow::Result<String> {
    let count: usize = count.parse().context("COUNT is a number")?;
    let client = Client::builder().timeout(Duration::from_secs(15)).build()?;
    let run = Uuid::new_v4().simple().to_string();
    let mut lags_ms = Vec::with_capacity(count);
    for number in 0..count {
        let body =
            json!({"email": format!("user{number}-{run}@example.com"), "password": "correct horse battery"});
        let reply = client.post(format!("{auth}/v1/users")).json(&body).send().await?;
        let begun = Instant::now();
        ensure!(reply.status() == StatusCode::CREATED, "a registration was answered {}", reply.status());
        let user: Value = reply.json().await?;
        let user_id = user["user_id"].as_str().context("an answer without an id")?;
        let request = client.get(format!("{accounting}/v1/accounts/{user_id}")).bearer_auth(token);
        let account: Value = request.header("Prefer", "wait=8").send().await?.json().await?;
        ensure!(account["status"] == "active", "the account is not active after 8 s: {account}");
        lags_ms.push(begun.elapsed().as_secs_f64() * 1_000.0);
    }
    lags_ms.sort_by(f64::total_cmp);
    let at = |hundredths: usize| lags_ms[(lags_ms.len() * hundredths / 100).min(lags_ms.len() - 1)];
    Ok(format!("{:.2} {:.2}", at(50), at(99)))
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
fn per_second(count: usize, begun: Instant) -> String {
    format!("{:.0}", count as f64 / begun.elapsed().as_secs_f64())
}
