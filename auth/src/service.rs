//! Puts auth together: routes, readiness, metrics and the relay, over what it is given.

use std::sync::Arc;

use accrue_chassis::clock::SharedClock;
use accrue_chassis::health::{Link, Probe, Readiness};
use accrue_chassis::http::{Manners, Operations, TrustedProxies, Unguarded, documentation, guard, polite};
use accrue_chassis::lifecycle::Lifecycle;
use accrue_chassis::tokens::Verifier;
use accrue_events::broker::Publisher;
use accrue_events::outbox::gauges;
use accrue_events::relay::Relay;
use async_trait::async_trait;
use axum::{Extension, Router};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::Notify;

use crate::config::AuthConfig;
use crate::http;
use crate::limits::Limits;
use crate::mail::{Composer, Postman, Sending, open_transport};
use crate::passwords::PasswordHashing;
use crate::store::AuthStore;
use crate::tokens::{KeyRing, TokenIssuer};

/// What auth runs on.
pub struct Parts {
    /// Users and their outbox.
    pub store: Arc<dyn AuthStore>,
    /// Where events go.
    pub publisher: Box<dyn Publisher>,
    /// The time.
    pub clock: SharedClock,
    /// The process's shutdown.
    pub lifecycle: Lifecycle,
    /// The process's metrics.
    pub metrics: PrometheusHandle,
}

/// Auth, ready to be served and run.
pub struct Service {
    /// Every route, with the manners of our services.
    pub router: Router,
    /// To be run as a worker of the lifecycle.
    pub relay: Relay,
    /// To be run as a worker of the lifecycle.
    pub keys: KeyRing,
    /// To be run as a worker of the lifecycle; none where mail has no way to leave.
    pub postman: Option<Postman>,
}

/// Why the service cannot be put together.
#[derive(Debug, thiserror::Error)]
pub enum AssembleError {
    /// There is nothing to encrypt signing keys under.
    #[error("there are no key-encryption keys (AUTH_KEY_ENCRYPTION_KEYS)")]
    NoKeyEncryptionKeys,
    /// Mail cannot be sent as the settings say.
    #[error("mail cannot be sent: {0}")]
    Mail(String),
    /// A route was forgotten.
    #[error(transparent)]
    Unguarded(#[from] Unguarded),
}

/// Puts the service together. It opens nothing and starts nothing.
///
/// # Errors
/// [`AssembleError`].
pub fn assemble(config: &AuthConfig, parts: Parts) -> Result<Service, AssembleError> {
    let Parts { store, publisher, clock, lifecycle, metrics } = parts;
    let wake = Arc::new(Notify::new());
    let broker = Link::default();
    let tokens = token_issuer(config, &store, &clock)?;
    let keys = tokens.ring().clone();
    let operations = Operations {
        readiness: Readiness::default()
            .require("database", Arc::new(Database(Arc::clone(&store))))
            .want("broker", broker.clone())
            .want("signing_keys", keys.link()),
        metrics,
        collectors: vec![gauges("auth", Arc::<dyn AuthStore>::clone(&store))],
        lifecycle: lifecycle.clone(),
    };
    let outbox = Arc::<dyn AuthStore>::clone(&store);
    let relay = Relay::new("auth", outbox, publisher, Arc::clone(&wake), broker);
    let passwords = PasswordHashing::new(config.hash_queue, config.hash_cost);
    let limits = Limits::new(Arc::clone(&store), Arc::clone(&clock), config.limits);
    let issuer = (tokens.name().to_owned(), config.tokens.audience.clone());
    let verifier = Verifier::new(Arc::new(keys.clone()), issuer.0, issuer.1, Arc::clone(&clock));
    let session_lifetime = config.tokens.refresh_token;
    let dummy_hash = http::DummyHash::default();
    let (mailing, postman) = mailing(config, &store, &clock, tokens.name())?;
    let app = http::App {
        store,
        passwords,
        limits,
        mailing,
        tokens,
        dummy_hash,
        session_lifetime,
        clock,
        lifecycle,
        wake,
    };
    let (routes, document) = http::routes(app);
    let routes = guard(routes, &document, Arc::new(verifier))?
        .merge(documentation(document))
        .layer(Extension(TrustedProxies(config.trusted_proxies)));
    let manners =
        Manners { service: "auth", deadline: config.request_deadline, max_in_flight: config.max_in_flight };
    Ok(Service { router: polite(routes.merge(operations.routes()), manners), relay, keys, postman })
}

fn token_issuer(
    config: &AuthConfig,
    store: &Arc<dyn AuthStore>,
    clock: &SharedClock,
) -> Result<TokenIssuer, AssembleError> {
    let config_of_tokens = &config.tokens;
    let sealing = config_of_tokens.key_encryption_keys.clone().ok_or(AssembleError::NoKeyEncryptionKeys)?;
    let name = config_of_tokens.issuer.clone().unwrap_or_else(|| format!("http://{}", config.listen));
    let ring = KeyRing::new(Arc::clone(store), sealing, config_of_tokens, Arc::clone(clock));
    Ok(TokenIssuer::new(ring, name, config_of_tokens, Arc::clone(clock)))
}

/// What composes mail and what sends it, where mail has a way to leave.
fn mailing(
    config: &AuthConfig,
    store: &Arc<dyn AuthStore>,
    clock: &SharedClock,
    issuer: &str,
) -> Result<(http::Mailing, Option<Postman>), AssembleError> {
    let wake = Arc::new(Notify::new());
    let is_verification_required = config.mail.require_verified_email;
    let Some(delivery) = &config.mail.delivery else {
        if is_verification_required {
            return Err(AssembleError::Mail(
                "it has to be verified, and AUTH_SMTP_URL is not set".to_owned(),
            ));
        }
        return Ok((http::Mailing { composer: None, wake, is_verification_required }, None));
    };
    let keys = config.tokens.key_encryption_keys.clone().ok_or(AssembleError::NoKeyEncryptionKeys)?;
    let from = config.mail.from.parse().map_err(|_| AssembleError::Mail("AUTH_MAIL_FROM".to_owned()))?;
    let transport = open_transport(delivery).map_err(AssembleError::Mail)?;
    let public_url = config.mail.public_url.as_deref().unwrap_or(issuer);
    let composer = Some(Composer::new(keys.clone(), public_url, Arc::clone(clock)));
    let sending = Sending { transport, from, keys };
    let postman = Postman::new(Arc::clone(store), sending, Arc::clone(clock), Arc::clone(&wake));
    Ok((http::Mailing { composer, wake, is_verification_required }, Some(postman)))
}

/// The database as readiness sees it.
struct Database(Arc<dyn AuthStore>);

#[async_trait]
impl Probe for Database {
    async fn check(&self) -> Result<(), String> {
        self.0.ping().await.map_err(|error| error.to_string())
    }
}
