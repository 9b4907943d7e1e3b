//! Clients that keep the services busy, and a history of what each was answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use url::Url;

use crate::reply::{Reply, send};

/// Where the services are, and the right to ask them anything.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) auth: Vec<Url>,
    pub(crate) accounting: Vec<Url>,
    pub(crate) client: Client,
    pub(crate) token: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// 2xx, with these bytes.
    Done(Vec<u8>),
    /// 4xx.
    Refused(u16),
    /// No answer, or a 5xx: it may have happened.
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Register,
    Allocate(i64),
    Use(i64),
}

/// What a client asked for, under a key, and what it was answered.
#[derive(Debug, Clone)]
pub(crate) struct Operation {
    pub(crate) kind: Kind,
    /// Whom it is about; of a registration only once it was answered.
    pub(crate) user_id: Option<String>,
    pub(crate) key: String,
    body: Value,
    pub(crate) outcome: Outcome,
    /// The longest that any attempt took.
    pub(crate) took: Duration,
    /// Whether the last answer said that it was a replay.
    pub(crate) replayed: bool,
}

impl Operation {
    pub(crate) fn register(name: &str) -> Self {
        let body = json!({
            "email": format!("{name}@example.com"),
            "password": format!("correct horse {name}"),
            "display_name": name,
        });
        Self::new(Kind::Register, None, format!("register-{name}"), body)
    }

    fn allocate(user_id: &str, credits: i64, key: String) -> Self {
        let body = json!({"credits": credits, "reason": "faults"});
        Self::new(Kind::Allocate(credits), Some(user_id.to_owned()), key, body)
    }

    fn consume(user_id: &str, credits: i64, key: String) -> Self {
        Self::new(Kind::Use(credits), Some(user_id.to_owned()), key, json!({"credits": credits}))
    }

    fn new(kind: Kind, user_id: Option<String>, key: String, body: Value) -> Self {
        let (outcome, took) = (Outcome::Unknown, Duration::ZERO);
        Self { kind, user_id, key, body, outcome, took, replayed: false }
    }

    /// Sends it, again if it was sent before, to process `number` of its service.
    pub(crate) async fn send(&mut self, target: &Target, number: usize) {
        let user_id = self.user_id.as_deref().unwrap_or_default();
        let (bases, path) = match self.kind {
            Kind::Register => (&target.auth, "/v1/users".to_owned()),
            Kind::Allocate(_) => (&target.accounting, format!("/v1/accounts/{user_id}/allocations")),
            Kind::Use(_) => (&target.accounting, format!("/v1/accounts/{user_id}/usage")),
        };
        let url = format!("{}{path}", bases[number % bases.len()].as_str().trim_end_matches('/'));
        let mut request = target.client.request(Method::POST, url).header("Idempotency-Key", &self.key);
        if self.kind != Kind::Register {
            request = request.bearer_auth(&target.token);
        }
        let began = Instant::now();
        let reply = send(request.json(&self.body)).await;
        self.took = self.took.max(began.elapsed());
        self.take(reply);
    }

    fn take(&mut self, reply: Result<Reply, reqwest::Error>) {
        self.outcome = match reply {
            Ok(reply) if (200..300).contains(&reply.status) => {
                self.replayed = reply.headers.contains_key("Idempotency-Replayed");
                if self.kind == Kind::Register {
                    self.user_id = reply.body["user_id"].as_str().map(str::to_owned);
                }
                Outcome::Done(reply.bytes)
            }
            Ok(reply) if reply.status < 500 && reply.status != 429 => Outcome::Refused(reply.status),
            _ => Outcome::Unknown,
        };
    }
}

/// Clients at work.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    clients: JoinSet<Vec<Operation>>,
}

impl Load {
    /// Starts clients whose users and keys begin with `run`.
    pub(crate) fn start(target: &Target, run: &str, clients: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut tasks = JoinSet::new();
        for client in 0..clients {
            let (target, stop, name) = (target.clone(), Arc::clone(&stop), format!("{run}-{client}"));
            tasks.spawn(work(target, stop, name, client));
        }
        Self { stop, clients: tasks }
    }

    /// Lets every client finish what it is at and gives the history of all.
    pub(crate) async fn stop(self) -> Vec<Operation> {
        self.stop.store(true, Ordering::Relaxed);
        self.clients.join_all().await.into_iter().flatten().collect()
    }
}

/// Signs a user up, gives and uses credits, and begins anew with another user.
async fn work(target: Target, stop: Arc<AtomicBool>, name: String, client: usize) -> Vec<Operation> {
    let mut history = Vec::new();
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) {
        number += 1;
        let mut register = Operation::register(&format!("{name}-{number}"));
        register.send(&target, client).await;
        let user_id = register.user_id.clone();
        history.push(register);
        let Some(user_id) = user_id else {
            // Refused connections come back at once: leave the processors to those who start.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        // The first allocation mostly comes before the event, and makes a placeholder.
        for step in 0..3 {
            let key = format!("{name}-{number}-{step}");
            let operations = [
                Operation::allocate(&user_id, 100, format!("a-{key}")),
                Operation::consume(&user_id, 30, format!("u-{key}")),
            ];
            for mut operation in operations {
                operation.send(&target, client + step).await;
                history.push(operation);
            }
        }
    }
    history
}
