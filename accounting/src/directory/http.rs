//! auth's users over HTTP: `GET /v1/user-versions/{user_id}`, as a client of auth's.

use std::time::Duration;

use async_trait::async_trait;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Response, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::Instant;
use url::Url;

use super::{DirectoryError, Presence, UserDirectory};
use crate::config::DirectoryConfig;

/// An answer that is larger is none.
const MAX_BYTES: u64 = 64 * 1024;
/// No call takes longer, whoever waits for it.
const CALL_LIMIT: Duration = Duration::from_secs(3);
/// What is asked for, in a form.
const GRANT: &str = "grant_type=client_credentials&scope=events%3Aadmin";

/// auth, reached over HTTP.
pub struct HttpDirectory {
    client: Client,
    config: DirectoryConfig,
    /// The token that calls carry. Whoever finds none good gets one, while others wait for it.
    token: Mutex<Option<Token>>,
}

#[derive(Clone)]
struct Token {
    text: SecretString,
    /// From when on another is got.
    until: Instant,
}

#[derive(Deserialize)]
struct TokenBody {
    access_token: String,
    expires_in: u64,
}

impl HttpDirectory {
    /// The users of the auth that `config` names.
    ///
    /// # Errors
    /// When there is no TLS to speak.
    pub fn new(config: DirectoryConfig) -> Result<Self, reqwest::Error> {
        let client =
            Client::builder().timeout(CALL_LIMIT).redirect(reqwest::redirect::Policy::none()).build()?;
        Ok(Self { client, config, token: Mutex::default() })
    }

    fn below(&self, path: &[&str]) -> Url {
        let mut url = self.config.auth.clone();
        // It was checked to be one that can have a path.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }

    /// A token that is good, but for `refused`, which auth did not take.
    async fn token(&self, refused: Option<&SecretString>) -> Result<SecretString, DirectoryError> {
        let mut token = self.token.lock().await;
        let is_refused =
            |known: &Token| refused.is_some_and(|text| text.expose_secret() == known.text.expose_secret());
        if let Some(known) = token.as_ref().filter(|one| Instant::now() < one.until && !is_refused(one)) {
            return Ok(known.text.clone());
        }
        let got = self.get_token().await?;
        Ok(token.insert(got).text.clone())
    }

    async fn get_token(&self) -> Result<Token, DirectoryError> {
        let asked = Instant::now();
        // RFC 6749, section 2.3.1: each encoded as in a form.
        let encoded = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let (id, secret) = (&self.config.client_id, self.config.client_secret.expose_secret());
        let request = self
            .client
            .post(self.below(&["oauth2", "token"]))
            .basic_auth(encoded(id), Some(encoded(secret)))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(GRANT);
        let (status, body) = read(request.send().await.map_err(unreachable)?).await?;
        if status != StatusCode::OK {
            return Err(refused(status, &body));
        }
        let body = TokenBody::deserialize(body).map_err(|_| DirectoryError::Unreadable)?;
        // A minute early, so that none expires on its way; of a short life a fifth.
        let early = (body.expires_in / 5).min(60);
        let until = asked + Duration::from_secs(body.expires_in.min(86_400) - early);
        Ok(Token { text: body.access_token.into(), until })
    }

    async fn ask(&self, url: &Url, token: &SecretString) -> Result<(StatusCode, Value), DirectoryError> {
        let request = self.client.get(url.clone()).bearer_auth(token.expose_secret());
        read(request.send().await.map_err(unreachable)?).await
    }
}

#[async_trait]
impl UserDirectory for HttpDirectory {
    async fn look_up(&self, user_id: &str) -> Result<Presence, DirectoryError> {
        if matches!(user_id, "." | "..") {
            // No URL can name them, and auth calls nobody so.
            return Ok(Presence::Unknown);
        }
        let url = self.below(&["v1", "user-versions", user_id]);
        let token = self.token(None).await?;
        let (mut status, mut body) = self.ask(&url, &token).await?;
        if status == StatusCode::UNAUTHORIZED {
            // Its key was withdrawn, or auth was restored from a backup.
            let token = self.token(Some(&token)).await?;
            (status, body) = self.ask(&url, &token).await?;
        }
        match (status, body["status"].as_str(), body["code"].as_str()) {
            (StatusCode::OK, Some("active" | "deactivated"), _) => Ok(Presence::Alive),
            (StatusCode::OK, Some("deleted"), _) => Ok(Presence::Deleted),
            (StatusCode::OK, ..) => Err(DirectoryError::Unreadable),
            // Any other 404 is of somebody who does not know the question.
            (StatusCode::NOT_FOUND, _, Some("user_not_found")) => Ok(Presence::Unknown),
            _ => Err(refused(status, &body)),
        }
    }
}

fn unreachable(error: reqwest::Error) -> DirectoryError {
    // Its address would be in the log with the user's id.
    DirectoryError::Unreachable(error.without_url().into())
}

fn refused(status: StatusCode, body: &Value) -> DirectoryError {
    let code = body["code"].as_str().or(body["error"].as_str()).unwrap_or_default();
    DirectoryError::Refused { status: status.as_u16(), code: code.chars().take(50).collect() }
}

/// The status and the JSON of an answer; null where it is none.
async fn read(response: Response) -> Result<(StatusCode, Value), DirectoryError> {
    let status = response.status();
    if response.content_length().is_some_and(|length| length > MAX_BYTES) {
        return Err(DirectoryError::Unreadable);
    }
    let body = response.bytes().await.map_err(unreachable)?;
    Ok((status, serde_json::from_slice(&body).unwrap_or_default()))
}
