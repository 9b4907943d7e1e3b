//! What a client asks for and what came of it: the history that a run is judged by.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use crate::member::Service;
use crate::reply::{Reply, send};
use crate::target::{REQUEST_LIMIT, Target, address_for, password_of};

/// Refusals of what is asked for again when others have had the credits meanwhile, or the user is gone.
const LATE: [&str; 8] = [
    "insufficient_credits",
    "transfer_too_large",
    "nothing_to_transfer",
    "nothing_to_void",
    "account_suspended",
    "spending_denied",
    "account_closed",
    "user_deleted",
];

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// 2xx, with these bytes.
    Done(Vec<u8>),
    /// 4xx other than 401 and 429, with this code.
    Refused(String),
    /// No answer or a 5xx: it may have happened. A 401 or 429: it may be let in later.
    Unknown,
}

/// What is asked for. Credits that are in no answer are named here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    Register,
    Rename(String),
    Deactivate,
    Reactivate,
    Delete,
    Allocate(i64),
    Use(i64),
    Refund(i64),
    Reserve(i64),
    Capture {
        held: i64,
    },
    Release {
        held: i64,
    },
    Adjust(i64),
    /// At most so many go.
    Void(i64),
    Transfer {
        to: String,
        credits: i64,
    },
}

impl Kind {
    pub(crate) fn service(&self) -> Service {
        match self {
            Self::Register | Self::Rename(_) | Self::Deactivate | Self::Reactivate | Self::Delete => {
                Service::Auth
            }
            _ => Service::Accounting,
        }
    }
}

/// What was asked for, under a key if it takes one, and what was answered.
#[derive(Debug, Clone)]
pub(crate) struct Operation {
    pub(crate) kind: Kind,
    /// Whom it is about; of a registration only once it was answered.
    pub(crate) user_id: Option<String>,
    pub(crate) key: Option<String>,
    method: Method,
    path: String,
    body: Option<Value>,
    /// Of a user who asks.
    token: Option<String>,
    /// Codes of refusals that are in order.
    pub(crate) allowed: Vec<&'static str>,
    pub(crate) outcome: Outcome,
    pub(crate) was_unknown: bool,
    /// The longest that any attempt took.
    pub(crate) took: Duration,
    /// Whether the last answer said that it was a replay.
    pub(crate) replayed: bool,
}

impl Operation {
    /// Signs up under a name, which the key bears too.
    pub(crate) fn register(name: &str, key: &str) -> Self {
        let body = json!({
            "email": format!("{name}@example.com"),
            "password": password_of(name),
            "display_name": name,
        });
        let path = "/v1/users".to_owned();
        Self::new(Kind::Register, Method::POST, path, Some(body)).under(format!("register-{key}"))
    }

    /// The user asks for another display name.
    pub(crate) fn rename(user_id: &str, token: String, name: String) -> Self {
        let body = json!({"display_name": name});
        let mut operation =
            Self::new(Kind::Rename(name), Method::PATCH, "/v1/users/me".to_owned(), Some(body));
        operation.token = Some(token);
        operation.about(user_id)
    }

    /// An admin lets a user in, or no longer, or erases them.
    pub(crate) fn administer(kind: Kind, user_id: &str) -> Self {
        let (method, verb) = match kind {
            Kind::Deactivate => (Method::POST, "/deactivate"),
            Kind::Reactivate => (Method::POST, "/reactivate"),
            Kind::Delete => (Method::DELETE, ""),
            _ => panic!("{kind:?} is nothing that an admin does"),
        };
        Self::new(kind, method, format!("/v1/users/{user_id}{verb}"), None).about(user_id)
    }

    /// Moves credits of a user's account.
    pub(crate) fn book(kind: Kind, user_id: &str, path: &str, body: Value, key: String) -> Self {
        let path = format!("/v1/accounts/{user_id}/{path}");
        let body = Some(body).filter(|body| !body.is_null());
        Self::new(kind, Method::POST, path, body).about(user_id).under(key)
    }

    pub(crate) fn allocate(user_id: &str, credits: i64, key: String) -> Self {
        Self::book(Kind::Allocate(credits), user_id, "allocations", json!({"credits": credits}), key)
    }

    pub(crate) fn consume(user_id: &str, credits: i64, key: String) -> Self {
        Self::book(Kind::Use(credits), user_id, "usage", json!({"credits": credits}), key)
    }

    fn new(kind: Kind, method: Method, path: String, body: Option<Value>) -> Self {
        Self {
            kind,
            user_id: None,
            key: None,
            method,
            path,
            body,
            token: None,
            allowed: Vec::new(),
            outcome: Outcome::Unknown,
            was_unknown: false,
            took: Duration::ZERO,
            replayed: false,
        }
    }

    fn about(mut self, user_id: &str) -> Self {
        self.user_id = Some(user_id.to_owned());
        self
    }

    fn under(mut self, key: String) -> Self {
        self.key = Some(key);
        self
    }

    /// Refusals that are in order.
    pub(crate) fn allowing(mut self, codes: &[&'static str]) -> Self {
        self.allowed.extend_from_slice(codes);
        self
    }

    /// What it is called where something is told of it.
    pub(crate) fn name(&self) -> String {
        let key = self.key.as_deref().unwrap_or(&self.path);
        format!("{:?} {key} of {}", self.kind, self.user_id.as_deref().unwrap_or("nobody yet"))
    }

    pub(crate) fn is_done(&self) -> bool {
        matches!(self.outcome, Outcome::Done(_))
    }

    /// Its answer; null before there is one.
    pub(crate) fn answer(&self) -> Value {
        match &self.outcome {
            Outcome::Done(bytes) => serde_json::from_slice(bytes).unwrap_or_default(),
            _ => Value::Null,
        }
    }

    /// # Panics
    /// When it is refused for a reason that is not in order.
    pub(crate) fn check_refusal(&self) {
        let Outcome::Refused(code) = &self.outcome else { return };
        let is_late = self.was_unknown && LATE.contains(&code.as_str());
        let is_allowed = is_late || self.allowed.contains(&code.as_str());
        assert!(is_allowed, "I4: refused with {code}: {}", self.name());
    }

    /// Sends it, again if it was sent before, to process `number` of its service.
    pub(crate) async fn send(&mut self, target: &Target, number: usize) {
        self.send_within(target, number, REQUEST_LIMIT).await;
    }

    /// The same by a client who hangs up after that time.
    pub(crate) async fn send_within(&mut self, target: &Target, number: usize, limit: Duration) {
        let url = target.url(self.kind.service(), number, &self.path);
        let mut request = target.client.request(self.method.clone(), url).timeout(limit);
        request = request.header("X-Forwarded-For", address_for(&self.path, self.key.as_deref()));
        if let Some(key) = &self.key {
            request = request.header("Idempotency-Key", key);
        }
        if let Some(body) = &self.body {
            request = request.json(body);
        }
        if self.kind != Kind::Register {
            request = request.bearer_auth(self.token.as_deref().unwrap_or(&target.token));
        }
        let began = Instant::now();
        let reply = send(request).await;
        self.took = self.took.max(began.elapsed());
        self.take(reply);
    }

    /// The same to two processes at once, as by a client who is impatient.
    ///
    /// # Panics
    /// When both do it, and do not answer alike.
    pub(crate) async fn send_twice(&mut self, target: &Target, number: usize) {
        let mut twin = self.clone();
        tokio::join!(self.send(target, number), twin.send(target, number + 1));
        if let (Outcome::Done(one), Outcome::Done(other)) = (&self.outcome, &twin.outcome) {
            assert_eq!(one, other, "I4: two answers to {}", self.name());
            assert!(self.replayed || twin.replayed, "I4: {} was done by both", self.name());
        } else if twin.is_done() || twin.outcome == Outcome::Unknown && !self.is_done() {
            *self = twin;
        }
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
            // A clock that is wrong, and a limit, may be right about the same request later on.
            Ok(reply) if reply.status < 500 && reply.status != 429 && reply.status != 401 => {
                Outcome::Refused(reply.body["code"].as_str().unwrap_or_default().to_owned())
            }
            _ => Outcome::Unknown,
        };
        self.was_unknown |= self.outcome == Outcome::Unknown;
    }
}
