//! `accrue`: both services in one process, each on a SQLite file of its own.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use accrue_accounting::config::{AccountingConfig, TokenConfig};
use accrue_auth::config::AuthConfig;
use accrue_chassis::clock::SystemClock;
use accrue_chassis::settings::Problems;
use accrue_chassis::traces::Collector;
use accrue_events::broker::{Broker, Topology, Trust};
use anyhow::Context as _;

use crate::cli::AllInOneArgs;
use crate::data_dir::DataDir;
use crate::greeting::greet;
use crate::host::Host;
use crate::own_users::OwnUsers;
use crate::{accounting, auth, first_admin, key_file, traces};

/// Everything that the all-in-one runs with.
pub(crate) struct Settings {
    pub(crate) data_dir: DataDir,
    pub(crate) auth: AuthConfig,
    accounting: AccountingConfig,
    broker: Broker,
    /// Where spans go, if they do.
    collector: Option<Collector>,
}

/// Both services, serving. auth's relay waits to be run.
pub(crate) struct Running {
    pub(crate) auth: auth::Serving,
    pub(crate) accounting: SocketAddr,
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
        let collector = args.traces.check("accrue", &mut problems);
        problems.finish()?;
        let read = data_dir.zip(auth).zip(accounting.zip(broker));
        let ((data_dir, mut auth), (mut accounting, broker)) = read.context("the settings were not read")?;
        if auth.tokens.key_encryption_keys.is_none() {
            auth.tokens.key_encryption_keys = Some(key_file::read_or_create(data_dir.path())?);
        }
        auth.database_url.get_or_insert_with(|| data_dir.sqlite_url("auth.db").into());
        auth.mail.delivery.get_or_insert_with(|| data_dir.mail());
        accounting.database_url.get_or_insert_with(|| data_dir.sqlite_url("accounting.db").into());
        Ok(Self { data_dir, auth, accounting, broker, collector })
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
            Trust::default(),
            Topology::default(),
            Arc::new(SystemClock),
        )?;
        Ok(Self { data_dir, auth, accounting, broker, collector: None })
    }
}

/// Serves both. Nothing if the process is told to stop before the stores are open.
pub(crate) async fn start(host: &Host, settings: &Settings) -> anyhow::Result<Option<Running>> {
    let auth = auth::start(host, &settings.auth, &settings.broker, true).await?;
    let Some(auth) = auth else { return Ok(None) };
    let mut config = settings.accounting.clone();
    config.tokens = tokens_of(&auth, &settings.auth.tokens.audience)?;
    let directory = Arc::new(OwnUsers(Arc::clone(&auth.store)));
    let accounting = accounting::start(host, &config, (&settings.broker, Some(directory)), true).await?;
    Ok(accounting.map(|accounting| Running { auth, accounting }))
}

/// The tokens that this process's own auth makes: the two cannot be told of different ones.
fn tokens_of(auth: &auth::Serving, audience: &str) -> anyhow::Result<TokenConfig> {
    let mut reached_at = auth.address;
    match reached_at.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => reached_at.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => reached_at.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    let tokens = TokenConfig::new(&auth.issuer, audience, &format!("http://{reached_at}"));
    tokens.map_err(anyhow::Error::msg)
}

pub(crate) async fn run(args: AllInOneArgs) -> anyhow::Result<ExitCode> {
    let settings = Settings::read(args)?;
    traces::start(settings.collector.as_ref())?;
    let host = Host::new()?;
    host.stop_on_signal();
    if let Some(running) = start(&host, &settings).await? {
        greet(&settings, &running);
        first_admin::introduce(&*running.auth.store, settings.auth.hash_cost).await;
        host.lifecycle.spawn_worker(running.auth.relay.run(host.lifecycle.worker_token()));
    }
    Ok(host.run_until_stopped().await)
}
