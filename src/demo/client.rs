//! The two services as the demo's caller sees them: HTTP, with a service's token or a user's.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use reqwest::{Client, RequestBuilder, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use url::Url;

/// Every request ends within this time.
const LIMIT: Duration = Duration::from_secs(15);

/// What the demo's client must be allowed.
pub(super) const SCOPES: &str = "credits:write accounts:read";

/// The id and secret of a client of auth.
pub(super) struct Credentials {
    pub(super) client_id: String,
    pub(super) client_secret: SecretString,
}

/// A client of both services.
pub(super) struct Services {
    client: Client,
    auth: Url,
    accounting: Url,
    /// The client's own token.
    token: SecretString,
}

/// An answer, as bytes and as JSON.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) is_replay: bool,
    pub(super) bytes: Vec<u8>,
    pub(super) body: Value,
}

impl Services {
    /// Signs in as the client, by its credentials (RFC 6749, 4.4).
    pub(super) async fn sign_in(auth: Url, accounting: Url, by: &Credentials) -> anyhow::Result<Self> {
        let client = Client::builder().timeout(LIMIT).build().context("no HTTP client can be made")?;
        let request = client
            .post(below(&auth, &["oauth2", "token"])?)
            .basic_auth(&by.client_id, Some(by.client_secret.expose_secret()))
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(format!("grant_type=client_credentials&scope={}", SCOPES.replace(' ', "+")));
        let answer = send(request).await?;
        let token = access_token(&answer).context("the client gets no token")?;
        Ok(Self { client, auth, accounting, token })
    }

    /// Registers somebody.
    pub(super) async fn register(&self, email: &str, password: &str, key: &str) -> anyhow::Result<Answer> {
        let body = serde_json::json!({"email": email, "password": password, "display_name": "Ada"});
        let request = self.client.post(below(&self.auth, &["v1", "users"])?);
        send(request.header("Idempotency-Key", key).json(&body)).await
    }

    /// Signs a user in, and gives their access token.
    pub(super) async fn log_in(&self, email: &str, password: &str) -> anyhow::Result<SecretString> {
        let body = serde_json::json!({"email": email, "password": password});
        access_token(&send(self.client.post(below(&self.auth, &["v1", "login"])?).json(&body)).await?)
    }

    /// Allocates credits.
    pub(super) async fn allocate(&self, user_id: &str, credits: i64, key: &str) -> anyhow::Result<Answer> {
        let body = serde_json::json!({"credits": credits, "reason": "demo"});
        let url = below(&self.accounting, &["v1", "accounts", user_id, "allocations"])?;
        let request = self.client.post(url).bearer_auth(self.token.expose_secret());
        send(request.header("Idempotency-Key", key).json(&body)).await
    }

    /// An account, or what is `below` it.
    pub(super) async fn account(&self, user_id: &str, rest: &[&str]) -> anyhow::Result<Answer> {
        self.account_as(&self.token, user_id, rest).await
    }

    /// The same, by somebody else's token.
    pub(super) async fn account_as(
        &self,
        token: &SecretString,
        user_id: &str,
        rest: &[&str],
    ) -> anyhow::Result<Answer> {
        let path = [&["v1", "accounts", user_id], rest].concat();
        let request = self.client.get(below(&self.accounting, &path)?);
        send(request.bearer_auth(token.expose_secret())).await
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

fn access_token(answer: &Answer) -> anyhow::Result<SecretString> {
    let token = answer.expect(StatusCode::OK)?["access_token"].as_str();
    Ok(token.context("the answer has no access token")?.into())
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
