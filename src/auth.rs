//! `accrue auth`: the service that keeps users.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use accrue_auth::config::AuthConfig;
use accrue_auth::store::AuthStore;
use accrue_auth::{Parts, store};
use accrue_chassis::clock::SystemClock;
use accrue_chassis::health::Link;
use accrue_chassis::http::Manners;
use accrue_chassis::settings::Problems;
use accrue_events::broker::{Broker, Destination};
use accrue_events::relay::Relay;
use anyhow::Context as _;
use secrecy::ExposeSecret as _;

use crate::cli::AuthCommand;
use crate::host::{Host, OpenFailure};
use crate::{key_file, traces};

pub(crate) async fn run(command: AuthCommand) -> anyhow::Result<ExitCode> {
    let mut problems = Problems::new();
    let config = command.auth.check(&mut problems);
    let broker = command.broker.open(None, &mut problems);
    let collector = command.traces.check("accrue-auth", &mut problems);
    if config.as_ref().is_some_and(|config| config.database_url.is_none()) {
        problems.add("AUTH_DATABASE_URL (or AUTH_DATABASE_URL_FILE) is not set: where are users kept?");
    }
    if config
        .as_ref()
        .is_some_and(|config| config.mail.require_verified_email && config.mail.delivery.is_none())
    {
        problems.add("AUTH_REQUIRE_VERIFIED_EMAIL needs mail, and AUTH_SMTP_URL is not set");
    }
    problems.finish()?;
    let (mut config, broker) = config.zip(broker).context("the settings were not read")?;
    if config.tokens.key_encryption_keys.is_none() {
        let path = key_file::path_in(&command.data_dir);
        config.tokens.key_encryption_keys = Some(key_file::read_or_create(&command.data_dir)?);
        tracing::warn!(
            "AUTH_KEY_ENCRYPTION_KEYS is not set: signing keys are encrypted under {}, which every process \
             of auth needs then",
            path.display()
        );
    }
    traces::start(collector.as_ref())?;
    let host = Host::new()?;
    host.stop_on_signal();
    if let Some(serving) = start(&host, &config, &broker, !command.no_migrate).await? {
        host.lifecycle.spawn_worker(serving.relay.run(host.lifecycle.worker_token()));
    }
    Ok(host.run_until_stopped().await)
}

/// auth, serving.
pub(crate) struct Serving {
    pub(crate) address: SocketAddr,
    /// What its tokens name as their issuer.
    pub(crate) issuer: String,
    pub(crate) store: Arc<dyn AuthStore>,
    /// Waits to be run.
    pub(crate) relay: Relay,
}

/// Serves auth in this process. The relay is left to the caller to run. Nothing if
/// the process is told to stop before the store is open.
pub(crate) async fn start(
    host: &Host,
    config: &AuthConfig,
    broker: &Broker,
    migrate: bool,
) -> anyhow::Result<Option<Serving>> {
    let database = Link::default();
    let manners =
        Manners { service: "auth", deadline: config.request_deadline, max_in_flight: config.max_in_flight };
    let (address, doorway) = host.listen(manners, config.listen, database.clone()).await?;
    let url = config.database_url.as_ref().context("auth has no database")?;
    let clock = Arc::new(SystemClock);
    let open = async || {
        store::open(url.expose_secret(), Arc::<SystemClock>::clone(&clock), migrate).await.map_err(|error| {
            match error {
                store::OpenError::Settings(_) => {
                    OpenFailure::Final(anyhow::Error::new(error).context("AUTH_DATABASE_URL cannot be used"))
                }
                other => OpenFailure::Passing(other.into()),
            }
        })
    };
    let Some(store) = host.open_store("auth", &database, open).await? else { return Ok(None) };
    let parts = Parts {
        store: Arc::clone(&store),
        publisher: broker.publisher(Destination::Users),
        clock,
        lifecycle: host.lifecycle.clone(),
        metrics: host.metrics.clone(),
    };
    let mut config = config.clone();
    // Where the port was chosen by the system, it is known only now.
    let issuer = config.tokens.issuer.get_or_insert_with(|| format!("http://{address}")).clone();
    let service = accrue_auth::assemble(&config, parts)?;
    host.lifecycle.spawn_worker(service.keys.run(host.lifecycle.worker_token()));
    if let Some(postman) = service.postman {
        host.lifecycle.spawn_worker(postman.run(host.lifecycle.worker_token()));
    } else {
        tracing::warn!("no mail is sent: AUTH_SMTP_URL is not set");
    }
    doorway.open(service.router);
    tracing::info!(service = "auth", "ready");
    Ok(Some(Serving { address, issuer, store, relay: service.relay }))
}
