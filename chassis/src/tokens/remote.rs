//! The keys of an issuer elsewhere: fetched, kept, fetched again.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jsonwebtoken::jwk::JwkSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::{KeySet, Keys, KeysUnavailable, VerifyingKey};
use crate::health::Link;

/// How often the keys are fetched, so that a new key is known before it signs.
const POLL: Duration = Duration::from_mins(1);
/// How often while they have never been fetched.
const FIRST_POLL: Duration = Duration::from_millis(500);
/// How far apart two fetches for unknown key ids are: anybody can make ids up.
const ON_DEMAND_PAUSE: Duration = Duration::from_secs(5);
/// A fetch that takes longer has failed.
const FETCH_LIMIT: Duration = Duration::from_secs(3);
/// A JWK set that is larger is none.
const MAX_BYTES: usize = 64 * 1024;

/// The keys at a URL. What was fetched last is good while the issuer is away.
#[derive(Clone)]
pub struct RemoteKeys(Arc<Shared>);

struct Shared {
    url: Url,
    client: reqwest::Client,
    known: Mutex<Option<KeySet>>,
    /// One fetch at a time; when the last one on demand began.
    on_demand: tokio::sync::Mutex<Option<Instant>>,
    link: Link,
}

/// The keys could not be fetched.
#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error("the issuer's keys cannot be fetched")]
    Http(#[from] reqwest::Error),
    #[error("what the issuer has in place of its keys cannot be used")]
    NoKeys,
}

impl RemoteKeys {
    /// Keys at `url`; `link` is told whether they can be had. Fetched by [`RemoteKeys::run`].
    ///
    /// # Errors
    /// When there is no TLS to speak.
    pub fn new(url: Url, link: Link) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .timeout(FETCH_LIMIT)
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        let shared =
            Shared { url, client, known: Mutex::default(), on_demand: tokio::sync::Mutex::default(), link };
        Ok(Self(Arc::new(shared)))
    }

    /// Fetches until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            self.refresh().await;
            let pause = if self.0.known().is_some() { POLL } else { FIRST_POLL };
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    async fn refresh(&self) {
        match self.fetch().await {
            Ok(keys) => {
                *self.0.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(keys);
                self.0.link.up();
            }
            Err(error) => {
                tracing::debug!(%error, "keys were not fetched");
                self.0.link.down(error.to_string());
            }
        }
    }

    async fn fetch(&self) -> Result<KeySet, FetchError> {
        let response = self.0.client.get(self.0.url.clone()).send().await?.error_for_status()?;
        if response.content_length().is_some_and(|length| length > MAX_BYTES as u64) {
            return Err(FetchError::NoKeys);
        }
        let body = response.bytes().await?;
        let set: JwkSet = serde_json::from_slice(&body).map_err(|_| FetchError::NoKeys)?;
        // A set without one usable key is a mistake of the issuer's, not its wish
        // that every token be refused.
        Some(KeySet::from_jwks(&set)).filter(|keys| !keys.is_empty()).ok_or(FetchError::NoKeys)
    }
}

impl Shared {
    fn known(&self) -> Option<KeySet> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn find(&self, key_id: &str) -> Option<VerifyingKey> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.as_ref().and_then(|keys| keys.get(key_id)).cloned()
    }
}

#[async_trait]
impl Keys for RemoteKeys {
    async fn find(&self, key_id: &str) -> Result<Option<VerifyingKey>, KeysUnavailable> {
        if let Some(key) = self.0.find(key_id) {
            return Ok(Some(key));
        }
        // Unknown: perhaps newer than our last fetch. Whoever waits here meanwhile
        // finds what that fetch brought.
        let mut last = self.0.on_demand.lock().await;
        if self.0.find(key_id).is_none() && last.is_none_or(|at| at.elapsed() >= ON_DEMAND_PAUSE) {
            *last = Some(Instant::now());
            self.refresh().await;
        }
        drop(last);
        if self.0.known.lock().unwrap_or_else(PoisonError::into_inner).is_none() {
            return Err(KeysUnavailable);
        }
        Ok(self.0.find(key_id))
    }
}
