//! The two services as the demo's caller sees them: plain HTTP.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::Value;
use url::Url;

/// Every request ends within this time.
const LIMIT: Duration = Duration::from_secs(15);

/// A client of both.
pub(super) struct Services {
    client: Client,
    auth: Url,
    accounting: Url,
}

/// An answer, as bytes and as JSON.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) is_replay: bool,
    pub(super) bytes: Vec<u8>,
    pub(super) body: Value,
}

impl Services {
    pub(super) fn new(auth: Url, accounting: Url) -> anyhow::Result<Self> {
        let client = Client::builder().timeout(LIMIT).build().context("no HTTP client can be made")?;
        Ok(Self { client, auth, accounting })
    }

    /// Registers somebody.
    pub(super) async fn register(&self, email: &str, password: &str, key: &str) -> anyhow::Result<Answer> {
        let body = serde_json::json!({"email": email, "password": password, "display_name": "Ada"});
        let request = self.client.post(below(&self.auth, &["v1", "users"])?);
        send(request.header("Idempotency-Key", key).json(&body)).await
    }

    /// Allocates credits.
    pub(super) async fn allocate(&self, user_id: &str, credits: i64, key: &str) -> anyhow::Result<Answer> {
        let body = serde_json::json!({"credits": credits, "reason": "demo"});
        let url = below(&self.accounting, &["v1", "accounts", user_id, "allocations"])?;
        send(self.client.post(url).header("Idempotency-Key", key).json(&body)).await
    }

    /// An account, or what is `below` it.
    pub(super) async fn account(&self, user_id: &str, rest: &[&str]) -> anyhow::Result<Answer> {
        let path = [&["v1", "accounts", user_id], rest].concat();
        send(self.client.get(below(&self.accounting, &path)?)).await
    }
}

impl Answer {
    /// The body, if the status is the one expected.
    pub(super) fn expect(&self, status: StatusCode) -> anyhow::Result<&Value> {
        let told = String::from_utf8_lossy(&self.bytes);
        ensure!(self.status == status, "expected {status}, was answered {}: {told}", self.status);
        Ok(&self.body)
    }
}

fn below(base: &Url, path: &[&str]) -> anyhow::Result<Url> {
    let mut url = base.clone();
    match url.path_segments_mut() {
        Ok(mut segments) => segments.pop_if_empty().extend(path),
        Err(()) => anyhow::bail!("a service's URL is http://HOST:PORT"),
    };
    Ok(url)
}

async fn send(request: RequestBuilder) -> anyhow::Result<Answer> {
    let response = request.send().await.context("the service does not answer")?;
    let status = response.status();
    let is_replay = response.headers().get("idempotency-replayed").is_some_and(|value| value == "true");
    let bytes = response.bytes().await.context("the answer broke off")?.to_vec();
    let body = serde_json::from_slice(&bytes).unwrap_or_default();
    Ok(Answer { status, is_replay, bytes, body })
}
