//! `accrue`: both services in one process, each on a SQLite file of its own.

use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use accrue_accounting::config::AccountingConfig;
use accrue_auth::config::AuthConfig;
use accrue_auth::mail::Delivery;
use accrue_chassis::clock::SystemClock;
use accrue_chassis::settings::Problems;
use accrue_events::broker::{Broker, Topology};
use accrue_events::relay::Relay;
use anyhow::Context as _;

use crate::cli::AllInOneArgs;
use crate::data_dir::DataDir;
use crate::host::Host;
use crate::{accounting, auth, key_file};

/// Everything that the all-in-one runs with.
pub(crate) struct Settings {
    data_dir: DataDir,
    auth: AuthConfig,
    accounting: AccountingConfig,
    broker: Broker,
}

/// Both services, serving. The relay waits to be run.
pub(crate) struct Running {
    pub(crate) auth: SocketAddr,
    pub(crate) accounting: SocketAddr,
    pub(crate) relay: Relay,
}

impl Settings {
    /// Checks the settings and locks the data directory.
    pub(crate) fn read(args: AllInOneArgs) -> anyhow::Result<Self> {
        let mut problems = Problems::new();
        let auth = args.auth.check(&mut problems);
        let accounting = args.accounting.check(&mut problems);
        let data_dir = problems.take(DataDir::lock(&args.data_dir).map_err(|error| format!("{error:#}")));
        // Without a directory there is no place for its file either; one problem is told.
        let broker = data_dir.as_ref().map(|dir| dir.sqlite_url("broker.db"));
        let broker = broker.and_then(|file| args.broker.open(Some(file), &mut problems));
        problems.finish()?;
        let read = data_dir.zip(auth).zip(accounting.zip(broker));
        let ((data_dir, mut auth), (mut accounting, broker)) = read.context("the settings were not read")?;
        if auth.tokens.key_encryption_keys.is_none() {
            auth.tokens.key_encryption_keys = Some(key_file::read_or_create(data_dir.path())?);
        }
        auth.database_url.get_or_insert_with(|| data_dir.sqlite_url("auth.db").into());
        auth.mail.delivery.get_or_insert_with(|| data_dir.mail());
        accounting.database_url.get_or_insert_with(|| data_dir.sqlite_url("accounting.db").into());
        Ok(Self { data_dir, auth, accounting, broker })
    }

    /// The defaults on free ports, whatever the environment says.
    pub(crate) fn on_free_ports(data_dir: &Path) -> anyhow::Result<Self> {
        let data_dir = DataDir::lock(data_dir)?;
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut auth = AuthConfig::with_defaults(listen);
        auth.database_url = Some(data_dir.sqlite_url("auth.db").into());
        auth.mail.delivery = Some(data_dir.mail());
        auth.tokens.key_encryption_keys = Some(key_file::read_or_create(data_dir.path())?);
        let mut accounting = AccountingConfig::with_defaults(listen);
        accounting.database_url = Some(data_dir.sqlite_url("accounting.db").into());
        let broker = accrue_events::broker::open(
            &data_dir.sqlite_url("broker.db"),
            Topology::default(),
            Arc::new(SystemClock),
        )?;
        Ok(Self { data_dir, auth, accounting, broker })
    }
}

/// Serves both. Nothing if the process is told to stop before the stores are open.
pub(crate) async fn start(host: &Host, settings: &Settings) -> anyhow::Result<Option<Running>> {
    let auth = auth::start(host, &settings.auth, &settings.broker, true).await?;
    let Some((auth, relay)) = auth else { return Ok(None) };
    let accounting = accounting::start(host, &settings.accounting, &settings.broker, true).await?;
    Ok(accounting.map(|accounting| Running { auth, accounting, relay }))
}

pub(crate) async fn run(args: AllInOneArgs) -> anyhow::Result<ExitCode> {
    let settings = Settings::read(args)?;
    let host = Host::new()?;
    host.stop_on_signal();
    if let Some(running) = start(&host, &settings).await? {
        greet(&settings, &running);
        host.lifecycle.spawn_worker(running.relay.run(host.lifecycle.worker_token()));
    }
    Ok(host.run_until_stopped().await)
}

/// Says where everything is, and what to try. Each line works by itself, again and
/// again, and after a restart: names and keys are new each time.
fn greet(settings: &Settings, running: &Running) {
    let Running { auth, accounting, .. } = running;
    let tag = uuid::Uuid::new_v4().simple().to_string();
    let tag = &tag[..8];
    let mail = match &settings.auth.mail.delivery {
        Some(Delivery::Directory(path)) => {
            format!("is written to {}: there is no mail server", path.display())
        }
        _ => "goes to the mail server".to_owned(),
    };
    println!(
        "accrue {} runs in one process, with its data in {}

  auth        http://{auth}
  accounting  http://{accounting}
  mail        {mail}

Paste these into another terminal:

# somebody registers, and auth tells accounting
curl -sS http://{auth}/v1/users -H 'Idempotency-Key: sign-up-{tag}' -H 'Content-Type: application/json' -d '{{\"email\":\"ada-{tag}@example.com\",\"password\":\"correct horse {tag}\"}}'

# credits for a user that nobody knows yet: they wait on a placeholder
curl -sS http://{accounting}/v1/accounts/newcomer-{tag}/allocations -H 'Idempotency-Key: first-{tag}' -H 'Content-Type: application/json' -d '{{\"credits\":100}}'

# accounting knows who registered
curl -sS 'http://{accounting}/v1/accounts?email=ada-{tag}@example.com'

Ctrl-C stops it; everything is still there at the next start.",
        env!("CARGO_PKG_VERSION"),
        settings.data_dir.path().display(),
    );
}
