//! Auth in this process, over a SQLite file of its own, asked as a client would.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock};

use accrue_auth::domain::{Client, Role, Roles, Session};
use accrue_auth::limits::{Rate, Rates};
use accrue_auth::sealing::KeyEncryptionKeys;
use accrue_auth::store::{self, AuthStore};
use accrue_auth::tokens::{KeyRing, TokenIssuer};
use accrue_auth::{AuthConfig, Parts, Service, assemble};
use accrue_chassis::clock::{Clock as _, SharedClock, SystemClock};
use accrue_chassis::lifecycle::Lifecycle;
use accrue_chassis::telemetry;
use accrue_chassis::tokens::Scopes;
use accrue_events::broker::{BrokerError, Message, Publication, Publisher};
use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt as _;
use metrics_exporter_prometheus::PrometheusHandle;
use secrecy::ExposeSecret as _;
use serde_json::Value;
use tower::ServiceExt as _;

/// One auth.
pub(crate) struct Auth {
    pub(crate) router: Router,
    pub(crate) store: Arc<dyn AuthStore>,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) published: Published,
    pub(crate) issuer: TokenIssuer,
    _files: tempfile::TempDir,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Vec<u8>,
}

impl Auth {
    pub(crate) async fn start() -> Self {
        Self::with(config()).await
    }

    pub(crate) async fn with(config: AuthConfig) -> Self {
        let files = accrue_testkit::data_dir();
        let url = format!("sqlite:{}", files.path().join("auth.db").display());
        let store = store::open(&url, Arc::new(SystemClock), true).await.expect("a store");
        Self::over(store, &config, files)
    }

    /// One that takes the time from `clock`.
    pub(crate) async fn at(clock: SharedClock) -> Self {
        let files = accrue_testkit::data_dir();
        let url = format!("sqlite:{}", files.path().join("auth.db").display());
        let store = store::open(&url, Arc::clone(&clock), true).await.expect("a store");
        Self::assembled((store, clock), &config(), files)
    }

    pub(crate) fn over(store: Arc<dyn AuthStore>, config: &AuthConfig, files: tempfile::TempDir) -> Self {
        Self::assembled((store, Arc::new(SystemClock)), config, files)
    }

    fn assembled(
        (store, clock): (Arc<dyn AuthStore>, SharedClock),
        config: &AuthConfig,
        files: tempfile::TempDir,
    ) -> Self {
        let (published, lifecycle) = (Published::default(), Lifecycle::new());
        let parts = Parts {
            store: Arc::clone(&store),
            publisher: Box::new(published.clone()),
            clock: Arc::clone(&clock),
            lifecycle: lifecycle.clone(),
            metrics: metrics(),
        };
        let keys = config.tokens.key_encryption_keys.clone().expect("keys");
        let ring = KeyRing::new(Arc::clone(&store), keys, &config.tokens, Arc::clone(&clock));
        let name = format!("http://{}", config.listen);
        let issuer = TokenIssuer::new(ring, name, &config.tokens, clock);
        let Service { router, relay, keys, postman } = assemble(config, parts).expect("a service");
        lifecycle.spawn_worker(relay.run(lifecycle.worker_token()));
        lifecycle.spawn_worker(keys.run(lifecycle.worker_token()));
        if let Some(postman) = postman {
            lifecycle.spawn_worker(postman.run(lifecycle.worker_token()));
        }
        Self { router, store, lifecycle, published, issuer, _files: files }
    }

    pub(crate) async fn ask(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.expect("an answer");
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.expect("a body").to_bytes().to_vec();
        Answer { status: parts.status, headers: parts.headers, bytes }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(Request::get(path).body(Body::empty()).expect("a request")).await
    }

    /// The token of a service, `a-service`, that may do anything and asked for `scope`.
    pub(crate) async fn service_token(&self, scope: &str) -> String {
        // A store that is away keeps no client either.
        if let Ok(None) = self.store.client("a-service").await {
            let roles: Roles = Role::ALL.into_iter().collect();
            let client = Client {
                client_id: "a-service".to_owned(),
                name: "a service".to_owned(),
                scopes: roles.scopes(),
                secrets: vec![[0; 32]],
                created_at: SystemClock.now(),
            };
            self.store.create_client(&client).await.expect("written");
        }
        let token = self.issuer.for_client("a-service", &Scopes::parse(scope)).await;
        token.expect("a token").token
    }

    /// The token of a user without roles, in a new session.
    pub(crate) async fn user_token(&self, user_id: &str) -> String {
        self.user_token_for(user_id, &Roles::none().scopes()).await
    }

    /// The token of a user that allows `scopes`, in a new session.
    pub(crate) async fn user_token_for(&self, user_id: &str, scopes: &Scopes) -> String {
        let user = self.store.user(user_id).await.ok().flatten();
        let epoch = user.as_ref().map_or(0, |user| user.session_epoch);
        let now = SystemClock.now();
        let (session, _) = Session::begin(user_id.to_owned(), epoch, None, now, time::Duration::DAY);
        if user.is_some() {
            self.store.begin_session(&session).await.expect("begun");
        }
        let token = self.issuer.for_user(user_id, session.session_id, scopes).await;
        token.expect("a token").token
    }

    /// Asks with an access token, and with a JSON body if one is given.
    pub(crate) async fn ask_as(&self, token: &str, method: &str, path: &str, body: Option<Value>) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json");
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        self.ask(request.body(body).expect("a request")).await
    }

    pub(crate) async fn register(&self, body: &Value) -> Answer {
        self.ask(registration(body.to_string(), &[])).await
    }

    pub(crate) async fn register_with_key(&self, key: &str, body: &Value) -> Answer {
        self.ask(registration(body.to_string(), &[("idempotency-key", key)])).await
    }

    /// How many events were ever written, published or not.
    pub(crate) async fn events_written(&self) -> usize {
        // While one is published and not yet marked, it would be counted twice: so
        // either all are marked, or the broker is away and none is published any more.
        let waiting = accrue_testkit::eventually("the outbox drains", async || {
            let depth = self.store.backlog().await.expect("an answer").depth;
            (depth == 0 || self.published.is_away()).then_some(depth)
        })
        .await;
        self.published.count() + usize::try_from(waiting).expect("few")
    }
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).expect("JSON")
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("text"))
    }

    /// Insists on a problem of this status and code, and gives its body.
    pub(crate) fn problem(&self, status: u16, code: &str) -> Value {
        let body = String::from_utf8_lossy(&self.bytes);
        assert_eq!(self.status.as_u16(), status, "{body}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{body}");
        let body = self.json();
        assert_eq!(body["code"], code, "{body}");
        assert_eq!(body["status"], status, "{body}");
        assert!(!body["detail"].as_str().expect("a detail").is_empty());
        assert_eq!(self.header("retry-after").is_some(), matches!(status, 429 | 503));
        body
    }
}

/// The request `POST /v1/users`.
pub(crate) fn registration(body: impl Into<Body>, headers: &[(&str, &str)]) -> Request<Body> {
    let mut request = Request::post("/v1/users").header("content-type", "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(body.into()).expect("a request")
}

pub(crate) fn config() -> AuthConfig {
    // Requests of these tests come from no address, that is, all from the same one.
    let limits = Rates::all(Rate { count: 1_000_000, window_s: 3_600 });
    let mut config =
        AuthConfig { limits, ..AuthConfig::with_defaults(SocketAddr::from(([127, 0, 0, 1], 0))) };
    let keys = KeyEncryptionKeys::parse(KeyEncryptionKeys::generate().expose_secret());
    config.tokens.key_encryption_keys = Some(keys.expect("a key"));
    config
}

/// A process has one recorder of metrics.
fn metrics() -> PrometheusHandle {
    static METRICS: OnceLock<PrometheusHandle> = OnceLock::new();
    METRICS.get_or_init(|| telemetry::init_metrics().expect("the first recorder")).clone()
}

/// A broker that confirms everything; it can be sent away.
#[derive(Clone, Default)]
pub(crate) struct Published(Arc<Mutex<Broker>>);

#[derive(Default)]
struct Broker {
    is_away: bool,
    messages: Vec<Message>,
}

impl Published {
    pub(crate) fn count(&self) -> usize {
        self.0.lock().expect("no test panicked").messages.len()
    }

    pub(crate) fn messages(&self) -> Vec<Message> {
        self.0.lock().expect("no test panicked").messages.clone()
    }

    fn is_away(&self) -> bool {
        self.0.lock().expect("no test panicked").is_away
    }

    pub(crate) fn send_away(&self) {
        self.0.lock().expect("no test panicked").is_away = true;
    }
}

#[async_trait]
impl Publisher for Published {
    async fn connect(&mut self) -> Result<(), BrokerError> {
        if self.0.lock().expect("no test panicked").is_away {
            return Err(BrokerError::Ended("sent away"));
        }
        Ok(())
    }

    async fn publish(&mut self, window: &[Message]) -> Result<Vec<Publication>, BrokerError> {
        self.connect().await?;
        self.0.lock().expect("no test panicked").messages.extend_from_slice(window);
        Ok(vec![Publication::Confirmed; window.len()])
    }
}
