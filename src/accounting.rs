//! `accrue accounting`: the service that keeps credits.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use accrue_accounting::config::AccountingConfig;
use accrue_accounting::directory::{HttpDirectory, OnUnknownUser, UserDirectory};
use accrue_accounting::{Parts, store};
use accrue_chassis::clock::SystemClock;
use accrue_chassis::health::Link;
use accrue_chassis::http::Manners;
use accrue_chassis::settings::Problems;
use accrue_events::broker::{Broker, Destination};
use anyhow::Context as _;
use secrecy::ExposeSecret as _;

use crate::cli::AccountingCommand;
use crate::host::{Host, OpenFailure};
use crate::traces;

pub(crate) async fn run(command: AccountingCommand) -> anyhow::Result<ExitCode> {
    let mut problems = Problems::new();
    let config = command.accounting.check(&mut problems);
    let broker = command.broker.open(None, &mut problems);
    let collector = command.traces.check("accrue-accounting", &mut problems);
    if config.as_ref().is_some_and(|config| config.database_url.is_none()) {
        problems.add(
            "ACCOUNTING_DATABASE_URL (or ACCOUNTING_DATABASE_URL_FILE) is not set: where are credits kept?",
        );
    }
    if config
        .as_ref()
        .is_some_and(|config| config.on_unknown_user == OnUnknownUser::Verify && config.directory.is_none())
    {
        problems.add(
            "ACCOUNTING_UNKNOWN_USER=verify needs ACCOUNTING_CLIENT_ID and ACCOUNTING_CLIENT_SECRET: as whom is \
             auth asked?",
        );
    }
    problems.finish()?;
    let (config, broker) = config.zip(broker).context("the settings were not read")?;
    traces::start(collector.as_ref())?;
    let host = Host::new()?;
    host.stop_on_signal();
    let directory = config.directory.clone().map(HttpDirectory::new).transpose()?;
    let directory = directory.map(|directory| Arc::new(directory) as Arc<dyn UserDirectory>);
    start(&host, &config, (&broker, directory), !command.no_migrate).await?;
    Ok(host.run_until_stopped().await)
}

/// Serves accounting in this process, its consumer too. Users are looked up in the directory,
/// if there is one. Nothing if the process is told to stop before the store is open.
pub(crate) async fn start(
    host: &Host,
    config: &AccountingConfig,
    (broker, directory): (&Broker, Option<Arc<dyn UserDirectory>>),
    migrate: bool,
) -> anyhow::Result<Option<SocketAddr>> {
    let database = Link::default();
    let manners = Manners {
        service: "accounting",
        deadline: config.request_deadline,
        max_in_flight: config.max_in_flight,
    };
    let (address, doorway) = host.listen(manners, config.listen, database.clone()).await?;
    let url = config.database_url.as_ref().context("accounting has no database")?;
    let clock = Arc::new(SystemClock);
    let open = async || {
        let opened =
            store::open(url.expose_secret(), config.lanes, migrate, Arc::<SystemClock>::clone(&clock));
        opened.await.map_err(|error| {
            if error.may_pass() {
                OpenFailure::Passing(error.into())
            } else {
                OpenFailure::Final(error.into())
            }
        })
    };
    let Some(store) = host.open_store("accounting", &database, open).await? else { return Ok(None) };
    let parts = Parts {
        store,
        subscriber: broker.subscriber(),
        publisher: broker.publisher(Destination::Accounts),
        directory,
        broker: broker.clone(),
        clock,
        lifecycle: host.lifecycle.clone(),
        metrics: host.metrics.clone(),
    };
    let service = accrue_accounting::assemble(config, parts)?;
    doorway.open(service.router);
    host.lifecycle.spawn_worker(service.keys.run(host.lifecycle.worker_token()));
    host.lifecycle.spawn_worker(service.consumer.run(host.lifecycle.worker_token()));
    host.lifecycle.spawn_worker(service.own_events.run(host.lifecycle.worker_token()));
    tracing::info!(service = "accounting", "ready");
    Ok(Some(address))
}
