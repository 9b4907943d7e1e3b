//! The one binary: everything in one process, or any part of it, or an operator's command.

mod accounting;
mod admin;
mod all_in_one;
mod audit;
mod auth;
mod broker;
mod cli;
mod data_dir;
mod demo;
mod dlq;
mod first_admin;
mod greeting;
mod health;
mod host;
mod key_file;
mod migrate;
mod own_users;
mod progress;
mod reconcile;
mod replay;
mod traces;

use std::process::ExitCode;

use accrue_chassis::telemetry::{TALKATIVE, init_logs};
use clap::Parser as _;
use mimalloc::MiMalloc;

use crate::cli::{Cli, Command};

/// Half of what a request takes of this process is small pieces of memory, on every thread.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    // The demo tells its own story; only what goes wrong may interrupt it.
    let logs = if matches!(cli.command, Some(Command::Demo(_))) { "warn" } else { TALKATIVE };
    init_logs(logs);
    match run(cli).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("accrue: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    // One provider of TLS for every client in the process.
    drop(rustls::crypto::ring::default_provider().install_default());
    match cli.command {
        None => all_in_one::run(cli.all_in_one).await,
        Some(Command::Auth(args)) => auth::run(*args).await,
        Some(Command::Accounting(args)) => accounting::run(args).await,
        Some(Command::Demo(args)) => demo::run(args).await,
        Some(Command::Admin(args)) => admin::run(args).await,
        Some(Command::Audit(args)) => Ok(audit::run(args).await),
        Some(Command::Replay(args)) => Ok(replay::run(args).await),
        Some(Command::Reconcile(args)) => Ok(reconcile::run(args).await),
        Some(Command::Dlq(args)) => Ok(dlq::run(args).await),
        Some(Command::Migrate(args)) => migrate::run(args).await,
        Some(Command::Health(args)) => health::run(args).await,
    }
}
