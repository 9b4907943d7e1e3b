//! Both services as reconciliation sees them: lists in byte order, single users, repairs.

use std::fmt;
use std::time::Duration;

use anyhow::{Context as _, bail};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::time::Instant;
use url::Url;

use super::finding::{AccountVersion, UserVersion};

/// Every request ends within this time.
const LIMIT: Duration = Duration::from_secs(15);
/// How often a request is made that fails for a reason that may pass.
const TRIES: u32 = 5;
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(500);
/// A token is asked for anew so long before it ends.
const MARGIN: Duration = Duration::from_mins(1);
/// Rows of one page.
const PAGE: &str = "1000";

/// Where the services are, and by which client they are asked.
pub(crate) struct Services {
    client: Client,
    auth: Url,
    accounting: Url,
    client_id: String,
    client_secret: SecretString,
    token: Mutex<Option<(SecretString, Instant)>>,
}

/// One page of a list.
#[derive(Debug, Deserialize)]
pub(crate) struct Page<T> {
    pub(crate) data: Vec<T>,
    /// What the next one comes after; none at the end.
    pub(crate) next_after: Option<String>,
}

#[derive(Deserialize)]
struct Token {
    access_token: String,
    expires_in: u64,
}

impl Services {
    pub(crate) fn new(
        (auth, accounting): (Url, Url),
        (client_id, client_secret): (String, SecretString),
    ) -> anyhow::Result<Self> {
        let client = Client::builder().timeout(LIMIT).build().context("no HTTP client can be made")?;
        Ok(Self { client, auth, accounting, client_id, client_secret, token: Mutex::default() })
    }

    /// A page of auth's users.
    pub(crate) async fn users(&self, after: Option<&str>) -> anyhow::Result<Page<UserVersion>> {
        let url = page(below(&self.auth, &["v1", "user-versions"])?, after);
        self.read(url).await.context("auth does not list its users")
    }

    /// A page of accounting's accounts.
    pub(crate) async fn accounts(&self, after: Option<&str>) -> anyhow::Result<Page<AccountVersion>> {
        let url = page(below(&self.accounting, &["v1", "account-versions"])?, after);
        self.read(url).await.context("accounting does not list its accounts")
    }

    /// One user, as auth has it now.
    pub(crate) async fn user(&self, user_id: &str) -> anyhow::Result<Option<UserVersion>> {
        let path = ["v1", "user-versions", user_id];
        self.find((&self.auth, path), "user_not_found").await.context("auth does not say")
    }

    /// One account, as accounting has it now.
    pub(crate) async fn account(&self, user_id: &str) -> anyhow::Result<Option<AccountVersion>> {
        let path = ["v1", "account-versions", user_id];
        self.find((&self.accounting, path), "account_not_found").await.context("accounting does not say")
    }

    /// Has auth publish the users once more, each in a version above the one given.
    pub(crate) async fn replay(&self, users: &[(&str, Option<i64>)]) -> anyhow::Result<()> {
        let users: Vec<Value> =
            users.iter().map(|(user_id, above)| json!({"user_id": user_id, "above": above})).collect();
        let url = below(&self.auth, &["v1", "replays"])?;
        let response = self.ask(Method::POST, &url, Some(&json!({ "users": users }))).await?;
        expect(response, StatusCode::ACCEPTED).await.context("auth does not replay")
    }

    /// Has accounting mark an account as orphaned, if it is still as it was.
    pub(crate) async fn orphan(&self, user_id: &str, user_version: Option<i64>) -> anyhow::Result<()> {
        let url = below(&self.accounting, &["v1", "accounts", user_id, "orphan"])?;
        let body = json!({ "user_version": user_version });
        let response = self.ask(Method::POST, &url, Some(&body)).await?;
        expect(response, StatusCode::OK).await.context("accounting does not mark it")
    }

    /// Has auth erase a user.
    pub(crate) async fn erase(&self, user_id: &str) -> anyhow::Result<()> {
        let url = below(&self.auth, &["v1", "users", user_id])?;
        let response = self.ask(Method::DELETE, &url, None).await?;
        expect(response, StatusCode::NO_CONTENT)
            .await
            .context("auth does not erase (the client needs the scope users:admin for it)")
    }

    /// What is at `url`.
    async fn read<T: DeserializeOwned>(&self, url: Url) -> anyhow::Result<T> {
        let response = self.ask(Method::GET, &url, None).await?;
        if response.status() != StatusCode::OK {
            return Err(Refusal::of(response).await.into());
        }
        decoded(response).await
    }

    /// What has this path, whose last part is an id; none where the service says by this code
    /// that there is none. Any other 404 is of somebody who does not know the question, and
    /// must not be taken for the answer: accounts would be marked as nobody's.
    async fn find<T: DeserializeOwned>(
        &self,
        (base, path): (&Url, [&str; 3]),
        not_found: &str,
    ) -> anyhow::Result<Option<T>> {
        if matches!(path[2], "." | "..") {
            // No URL can name them, so nothing can be asked; the services take nobody of such an id.
            return Ok(None);
        }
        let response = self.ask(Method::GET, &below(base, &path)?, None).await?;
        if response.status() == StatusCode::OK {
            return decoded(response).await.map(Some);
        }
        let refusal = Refusal::of(response).await;
        let is_answer = refusal.status == StatusCode::NOT_FOUND && refusal.code == not_found;
        if is_answer { Ok(None) } else { Err(refusal.into()) }
    }

    /// Asks, as often as it takes within reason: services restart.
    async fn ask(&self, method: Method, url: &Url, body: Option<&Value>) -> anyhow::Result<Response> {
        let mut tried = 0;
        loop {
            tried += 1;
            let asked = self.ask_once(method.clone(), url, body).await;
            let may_pass = match &asked {
                Ok(response) => {
                    let status = response.status();
                    let asks_again = [StatusCode::UNAUTHORIZED, StatusCode::TOO_MANY_REQUESTS];
                    status.is_server_error() || asks_again.contains(&status)
                }
                Err(_) => true,
            };
            if !may_pass || tried == TRIES {
                return asked;
            }
            tokio::time::sleep(PAUSE * tried).await;
        }
    }

    async fn ask_once(&self, method: Method, url: &Url, body: Option<&Value>) -> anyhow::Result<Response> {
        let token = self.token().await?;
        let mut request = self.client.request(method, url.clone()).bearer_auth(token.expose_secret());
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = send(request).await?;
        if response.status() == StatusCode::UNAUTHORIZED {
            // Keys may have been changed: the next try asks for another.
            *self.token.lock().await = None;
        }
        Ok(response)
    }

    /// A token that is good for a while yet (RFC 6749, 4.4).
    async fn token(&self) -> anyhow::Result<SecretString> {
        let mut held = self.token.lock().await;
        if let Some((token, until)) = &*held
            && Instant::now() < *until
        {
            return Ok(token.clone());
        }
        let request = self
            .client
            .post(below(&self.auth, &["oauth2", "token"])?)
            .basic_auth(&self.client_id, Some(self.client_secret.expose_secret()))
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body("grant_type=client_credentials");
        let response = send(request).await.context("auth gives no token")?;
        if response.status() != StatusCode::OK {
            return Err(anyhow::Error::new(Refusal::of(response).await).context("auth gives no token"));
        }
        let token: Token = response.json().await.context("auth's token cannot be read")?;
        let until = Instant::now() + Duration::from_secs(token.expires_in).saturating_sub(MARGIN);
        let token = SecretString::from(token.access_token);
        *held = Some((token.clone(), until));
        Ok(token)
    }
}

async fn send(request: RequestBuilder) -> anyhow::Result<Response> {
    // reqwest's text would repeat a URL that may hold a password.
    request.send().await.map_err(reqwest::Error::without_url).context("the service does not answer")
}

async fn expect(response: Response, status: StatusCode) -> anyhow::Result<()> {
    if response.status() == status { Ok(()) } else { Err(Refusal::of(response).await.into()) }
}

async fn decoded<T: DeserializeOwned>(response: Response) -> anyhow::Result<T> {
    response.json().await.context("the answer cannot be read")
}

/// What a service says instead.
#[derive(Debug)]
struct Refusal {
    status: StatusCode,
    /// For programs; empty where it says none.
    code: String,
    /// For people.
    told: String,
}

impl Refusal {
    async fn of(response: Response) -> Self {
        let status = response.status();
        let body: Value = response.json().await.unwrap_or_default();
        let part = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let told = [part("code"), part("error"), part("detail"), part("error_description")];
        let told = told.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(": ");
        Self { status, code: part("code"), told }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status, self.told)
    }
}

impl std::error::Error for Refusal {}

fn page(mut url: Url, after: Option<&str>) -> Url {
    let mut query = url.query_pairs_mut();
    query.append_pair("limit", PAGE);
    if let Some(after) = after {
        query.append_pair("after", after);
    }
    drop(query);
    url
}

fn below(base: &Url, path: &[&str]) -> anyhow::Result<Url> {
    let mut url = base.clone();
    match url.path_segments_mut() {
        Ok(mut segments) => segments.pop_if_empty().extend(path),
        Err(()) => bail!("a service's URL is http://HOST:PORT"),
    };
    Ok(url)
}
