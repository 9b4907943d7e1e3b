//! Two accounting processes on one PostgreSQL, hammered while either and the server are
//! killed: each answer that promised something is in the books once, and the books hold.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use accrue_testkit::{OwnPostgres, eventually, within};
use futures_util::future::{join, join_all};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio::sync::RwLock;
use url::Url;

use crate::credentials::{ALL_SCOPES, ISSUER, make_client, token_of};
use crate::process::Process;
use crate::system::{KEY_ENCRYPTION_KEY, Reply, send};

const CLIENTS: u64 = 64;
const ACCOUNTS: usize = 10_000;
const FUNDED_WITH: i64 = 1_000;
/// How many answers of 2xx end the test.
const PROMISES: usize = 6_000;
/// A request is sent again until it is answered for good, but not for ever.
const PATIENCE: Duration = Duration::from_mins(1);
/// What is told of a request that did not happen.
const REFUSED: [u16; 3] = [402, 404, 409];

/// What a client was promised.
#[derive(Debug)]
struct Promise {
    user: String,
    /// The `reference` of the entry that must be there.
    reference: String,
    kind: &'static str,
    /// What it changed of the balance.
    credits: i64,
}

/// The two processes; each is somewhere else after it was killed.
struct Accounting {
    environment: Vec<(String, String)>,
    urls: [RwLock<Url>; 2],
    token: String,
    client: Client,
}

impl Accounting {
    async fn start_one(environment: &[(String, String)]) -> (Process, Url) {
        let process = Process::start(&["accounting"], environment);
        let url = process.url_of("accounting").await;
        (process, url)
    }

    async fn kill_and_restart(&self, which: usize, process: &mut Process) {
        process.kill();
        let (started, url) = Self::start_one(&self.environment).await;
        *process = started;
        *self.urls[which].write().await = url;
    }

    async fn ask(&self, method: Method, which: usize, path: &str) -> reqwest::RequestBuilder {
        let url = self.urls[which].read().await.join(path).expect("a path");
        self.client.request(method, url).bearer_auth(&self.token)
    }

    /// Sends a booking to one process after the other until it is answered for good.
    async fn book(&self, path: &str, key: &str, body: &Value) -> Reply {
        let begun = Instant::now();
        let mut which = key.len() % 2;
        loop {
            let request = self.ask(Method::POST, which, path).await.header("Idempotency-Key", key).json(body);
            match send(request).await {
                Ok(reply) if reply.status < 500 && reply.status != 429 => return reply,
                Ok(reply) => assert_eq!(reply.status, 503, "{path}: {}", reply.body),
                Err(_) => {}
            }
            assert!(begun.elapsed() < PATIENCE, "{path} was not answered in time");
            tokio::task::yield_now().await;
            which = 1 - which;
        }
    }

    /// Every entry of an account, through all pages.
    async fn entries(&self, user: &str) -> Vec<Value> {
        let mut entries = Vec::new();
        let mut cursor = String::new();
        loop {
            let path = format!("/v1/accounts/{user}/entries?limit=200{cursor}");
            let page = send(self.ask(Method::GET, 0, &path).await).await.expect("an answer");
            assert_eq!(page.status, 200, "{}", page.body);
            entries.extend(page.body["data"].as_array().expect("a list").iter().cloned());
            match page.body["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return entries,
            }
        }
    }
}

fn user(number: usize) -> String {
    format!("user-{number}")
}

/// Gives every account credits, a thousand accounts a request.
async fn fund(accounting: &Accounting) {
    for first in (0..ACCOUNTS).step_by(1_000) {
        let allocation = |number| json!({"user_id": user(number), "credits": FUNDED_WITH});
        let allocations: Vec<Value> = (first..first + 1_000).map(allocation).collect();
        let body = json!({"allocations": allocations});
        let reply = accounting.book("/v1/allocations/batch", &format!("fund-{first}"), &body).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        let results = reply.body["results"].as_array().expect("results");
        assert!(results.iter().all(|result| result["outcome"] == "created"), "{results:?}");
    }
}

fn credits_of(reply: &Reply, what: &str) -> i64 {
    reply.body[what]["credits"].as_i64().expect("credits")
}

fn id_of(reply: &Reply, what: &str) -> String {
    reply.body[what]["id"].as_str().expect("an id").to_owned()
}

/// One client: books on the hot account and on others until enough was promised.
async fn client(accounting: &Accounting, number: u64, answered: &AtomicUsize) -> Vec<Promise> {
    let mut random = StdRng::seed_from_u64(number);
    let mut promises = Vec::new();
    let mut count = 0;
    let promise = |promises: &mut Vec<Promise>, promise| {
        promises.push(promise);
        answered.fetch_add(1, Ordering::Relaxed);
    };
    while answered.load(Ordering::Relaxed) < PROMISES {
        let user = user(if random.random_range(0..4) == 0 { 0 } else { random.random_range(1..ACCOUNTS) });
        let account = format!("/v1/accounts/{user}");
        let credits: i64 = random.random_range(1..=60);
        count += 1;
        let key = format!("c{number}-{count}");
        let body = json!({"credits": credits});
        match random.random_range(0..10) {
            0..3 => {
                let reply = accounting.book(&format!("{account}/allocations"), &key, &body).await;
                assert_eq!(reply.status, 201, "{}", reply.body);
                let reference = id_of(&reply, "allocation");
                promise(&mut promises, Promise { user, reference, kind: "allocation", credits });
            }
            3..8 => {
                let reply = accounting.book(&format!("{account}/usage"), &key, &body).await;
                if REFUSED.contains(&reply.status) {
                    continue;
                }
                assert_eq!(reply.status, 201, "{}", reply.body);
                let reference = id_of(&reply, "usage");
                promise(&mut promises, Promise { user, reference, kind: "usage", credits: -credits });
            }
            _ => {
                let body = json!({"credits": credits, "expires_in": 86_400});
                let reply = accounting.book(&format!("{account}/reservations"), &key, &body).await;
                if REFUSED.contains(&reply.status) {
                    continue;
                }
                assert_eq!(reply.status, 201, "{}", reply.body);
                let id = id_of(&reply, "reservation");
                let (user_id, reference) = (user.clone(), id.clone());
                promise(&mut promises, Promise { user: user_id, reference, kind: "reservation", credits: 0 });
                let path = format!("{account}/reservations/{id}/capture");
                let body = json!({"credits": random.random_range(1..=credits)});
                let reply = accounting.book(&path, &format!("{key}-capture"), &body).await;
                assert!([200, 201].contains(&reply.status), "{}", reply.body);
                let credits = -credits_of(&reply, "usage");
                promise(&mut promises, Promise { user, reference: id, kind: "capture", credits });
            }
        }
    }
    promises
}

/// Kills a process, the server, and the other process, each in the middle of the work.
async fn havoc(
    accounting: &Accounting,
    processes: &mut [Process; 2],
    postgres: &OwnPostgres,
    answered: &AtomicUsize,
) {
    let reach = async |share: usize| {
        within(Duration::from_mins(3), "the work goes on", async || {
            answered.load(Ordering::Relaxed) >= PROMISES * share / 4
        })
        .await;
    };
    reach(1).await;
    accounting.kill_and_restart(1, &mut processes[1]).await;
    reach(2).await;
    postgres.kill().await;
    postgres.restart().await;
    reach(3).await;
    accounting.kill_and_restart(0, &mut processes[0]).await;
}

/// That each promise is in the entries once, and nothing else is.
async fn check(accounting: &Accounting, promises: &[Promise]) {
    let mut of_user: BTreeMap<&str, Vec<&Promise>> = BTreeMap::new();
    for promise in promises {
        of_user.entry(&promise.user).or_default().push(promise);
    }
    for (user, promises) in of_user {
        let entries = accounting.entries(user).await;
        let told: BTreeSet<(&str, &str, i64)> =
            promises.iter().map(|one| (one.reference.as_str(), one.kind, one.credits)).collect();
        assert_eq!(told.len(), promises.len(), "two requests of {user} were given one answer");
        let booked: Vec<(&str, &str, i64)> = entries
            .iter()
            .map(|entry| {
                let text = |name: &str| entry[name].as_str().expect("text");
                (text("reference"), text("kind"), entry["credits"].as_i64().expect("credits"))
            })
            .collect();
        // Beside what was promised there is the allocation that funded it.
        assert_eq!(booked.len(), promises.len() + 1, "{user}: {booked:?}");
        let funded = booked.iter().filter(|entry| !told.contains(entry)).collect::<Vec<_>>();
        assert!(
            matches!(funded[..], [(_, "allocation", FUNDED_WITH)]),
            "{user}: beside what was promised {funded:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_hammered_and_killed_keep_every_promise_once() {
    let Some(postgres) = OwnPostgres::start().await else { return };
    drop(rustls::crypto::ring::default_provider().install_default());
    let files = accrue_testkit::data_dir();
    let file = |name: &str| format!("sqlite:{}/{name}", files.path().display());
    let environment = [
        ("AUTH_LISTEN", "127.0.0.1:0".to_owned()),
        ("ACCOUNTING_LISTEN", "127.0.0.1:0".to_owned()),
        ("AUTH_DATABASE_URL", file("auth.db")),
        ("BROKER_URL", file("broker.db")),
        ("AUTH_KEY_ENCRYPTION_KEYS", KEY_ENCRYPTION_KEY.to_owned()),
        ("AUTH_ISSUER", ISSUER.to_owned()),
        ("ACCOUNTING_TOKEN_ISSUER", ISSUER.to_owned()),
        ("ACCOUNTING_DATABASE_URL", postgres.url().to_owned()),
    ];
    let mut environment: Vec<(String, String)> =
        environment.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let auth_process = Process::start(&["auth"], &environment);
    let auth = auth_process.url_of("auth").await;
    let keys = auth.join("/.well-known/jwks.json").expect("a path");
    environment.push(("ACCOUNTING_JWKS_URL".to_owned(), keys.into()));
    let (one, one_url) = Accounting::start_one(&environment).await;
    let (other, other_url) = Accounting::start_one(&environment).await;
    let mut processes = [one, other];
    let accounting = Accounting {
        token: token_of(&make_client(&environment, ALL_SCOPES), &auth).await,
        client: Client::builder().timeout(Duration::from_secs(15)).build().expect("a client"),
        urls: [RwLock::new(one_url), RwLock::new(other_url)],
        environment,
    };
    for which in 0..2 {
        eventually("accounting is ready", async || {
            let reply = send(accounting.ask(Method::GET, which, "/healthz/ready").await).await;
            reply.is_ok_and(|reply| reply.body["status"] == "ready")
        })
        .await;
    }
    fund(&accounting).await;

    let answered = AtomicUsize::new(0);
    let clients = join_all((0..CLIENTS).map(|number| client(&accounting, number, &answered)));
    let (promises, ()) = join(clients, havoc(&accounting, &mut processes, &postgres, &answered)).await;
    let promises: Vec<Promise> = promises.into_iter().flatten().collect();
    assert!(promises.len() >= PROMISES, "{} promises", promises.len());

    check(&accounting, &promises).await;
    let audit = Command::new(env!("CARGO_BIN_EXE_accrue"))
        .arg("audit")
        .env_clear()
        .envs(accounting.environment.iter().cloned())
        .output()
        .expect("the binary runs");
    let (told, progress) = (String::from_utf8_lossy(&audit.stdout), String::from_utf8_lossy(&audit.stderr));
    assert_eq!(audit.status.code(), Some(0), "{told}{progress}");
}
