//! One client: how it asks, and asks again, and what it believes of its users' accounts.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;
use tokio::sync::RwLock;

use crate::dice::Dice;
use crate::load::Manner;
use crate::model::{effects, worst};
use crate::operation::{Kind, Operation, Outcome};
use crate::target::{Target, password_of};

pub(super) struct Client {
    target: Target,
    pub(super) manner: Manner,
    pub(super) name: String,
    /// Which process it mostly asks.
    number: usize,
    pub(super) dice: Dice,
    gate: Arc<RwLock<()>>,
    keys: u32,
    /// What its users have at the least, whatever became of what had no answer.
    floors: BTreeMap<String, i64>,
    pub(super) history: Vec<Operation>,
}

impl Client {
    pub(super) fn new(
        target: Target,
        manner: &Manner,
        number: usize,
        dice: Dice,
        gate: Arc<RwLock<()>>,
    ) -> Self {
        let name = format!("{}-{number}", manner.name);
        let (manner, floors, history) = (manner.clone(), BTreeMap::new(), Vec::new());
        Self { target, manner, name, number, dice, gate, keys: 0, floors, history }
    }

    /// Lives through one user after the other, until told to stop.
    pub(super) async fn work(mut self, stop: Arc<AtomicBool>) -> Vec<Operation> {
        let mut users = 0;
        while !stop.load(Ordering::Relaxed) {
            users += 1;
            self.live(users, &stop).await;
        }
        self.history
    }

    pub(super) fn key(&mut self, what: &str) -> String {
        self.keys += 1;
        format!("{}-{what}-{}", self.name, self.keys)
    }

    /// Whether the account has so much, whatever became of what had no answer.
    pub(super) fn surely_has(&self, user_id: &str, credits: i64) -> bool {
        self.floors.get(user_id).copied().unwrap_or(0) >= credits
    }

    /// Asks for it, now and then twice at once, or hanging up; where that is what it does, again until
    /// there is an answer. Gives the operation as far as it came.
    ///
    /// # Panics
    /// When it is refused for no reason.
    pub(super) async fn ask(&mut self, mut operation: Operation) -> Operation {
        let gate = Arc::clone(&self.gate);
        let open = gate.read_owned().await;
        let number = self.number + usize::from(self.dice.percent(30));
        if operation.key.is_some() && self.dice.percent(self.manner.doubles_percent) {
            operation.send_twice(&self.target, number).await;
        } else if self.dice.percent(self.manner.hangs_up_percent) {
            let limit = self.dice.millis(1..40);
            operation.send_within(&self.target, number, limit).await;
        } else {
            operation.send(&self.target, number).await;
        }
        if operation.key.is_some() && self.dice.percent(60) {
            for again in 1..3 {
                if operation.outcome == Outcome::Unknown {
                    // Refused connections come back at once: leave the processors to those who start.
                    tokio::time::sleep(Duration::from_millis(40)).await;
                    operation.send(&self.target, number + again).await;
                }
            }
        }
        drop(open);
        self.note(&operation);
        self.history.push(operation.clone());
        operation
    }

    /// Asks for both at the same time, each of another process, and gives them as far as they came.
    ///
    /// # Panics
    /// When one is refused for no reason.
    pub(super) async fn ask_at_once(&mut self, mut both: [Operation; 2]) -> [Operation; 2] {
        let gate = Arc::clone(&self.gate);
        let open = gate.read_owned().await;
        let [one, other] = &mut both;
        tokio::join!(one.send(&self.target, self.number), other.send(&self.target, self.number + 1));
        drop(open);
        for operation in &both {
            self.note(operation);
            self.history.push(operation.clone());
        }
        both
    }

    fn note(&mut self, operation: &Operation) {
        operation.check_refusal();
        let moved = match operation.outcome {
            Outcome::Done(_) => effects(operation),
            Outcome::Unknown => worst(operation),
            Outcome::Refused(_) => Vec::new(),
        };
        for effect in moved {
            *self.floors.entry(effect.user_id).or_default() += effect.available;
        }
    }

    /// The user's own access token, if auth can give one.
    ///
    /// # Panics
    /// When a user who may come in is not let in.
    pub(super) async fn log_in(&mut self, name: &str, may_be_refused: bool) -> Option<String> {
        let gate = Arc::clone(&self.gate);
        let _open = gate.read_owned().await;
        let reply = log_in(&self.target, self.number, name).await?;
        let is_refused = (400..429).contains(&reply.0);
        assert!(!is_refused || may_be_refused, "I1: {name} is not let in: {}", reply.0);
        reply.1
    }

    /// Asks for what an admin does with a user.
    pub(super) async fn administer(&mut self, kind: Kind, user_id: &str) {
        let operation = Operation::administer(kind, user_id).allowing(&["user_changed"]);
        self.ask(operation).await;
    }
}

/// The status and, with 200, an access token; none where auth gives no answer.
pub(crate) async fn log_in(target: &Target, number: usize, name: &str) -> Option<(u16, Option<String>)> {
    let url = target.url(crate::member::Service::Auth, number, "/v1/login");
    let password = password_of(name);
    let body = json!({"email": format!("{name}@example.com"), "password": password});
    let reply = crate::reply::send(target.client.post(url).json(&body)).await.ok()?;
    Some((reply.status, reply.body["access_token"].as_str().map(str::to_owned)))
}
