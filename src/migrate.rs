//! `accrue migrate`: brings schemas up to date, for those who run services with `--no-migrate`.

use std::process::ExitCode;
use std::sync::Arc;

use accrue_chassis::clock::SystemClock;
use accrue_chassis::settings::Problems;
use anyhow::Context as _;
use secrecy::ExposeSecret as _;

use crate::cli::MigrateArgs;

pub(crate) async fn run(args: MigrateArgs) -> anyhow::Result<ExitCode> {
    let mut problems = Problems::new();
    let auth = args.auth.check(&mut problems);
    let accounting = args.accounting.check(&mut problems);
    problems.finish()?;
    let auth = auth.and_then(|config| config.database_url);
    let accounting = accounting.and_then(|config| config.database_url);
    if auth.is_none() && accounting.is_none() {
        anyhow::bail!("nothing to do: set AUTH_DATABASE_URL, ACCOUNTING_DATABASE_URL or both");
    }
    if let Some(url) = auth {
        accrue_auth::store::open(url.expose_secret(), Arc::new(SystemClock), true)
            .await
            .context("auth's database could not be brought up to date")?;
        println!("auth's database is up to date");
    }
    if let Some(url) = accounting {
        accrue_accounting::store::open(url.expose_secret(), 1, true, Arc::new(SystemClock))
            .await
            .context("accounting's database could not be brought up to date")?;
        println!("accounting's database is up to date");
    }
    Ok(ExitCode::SUCCESS)
}
