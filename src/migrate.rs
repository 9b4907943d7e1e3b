//! `accrue migrate`: brings schemas up to date, for those who run services with `--no-migrate`.

use std::process::ExitCode;
use std::sync::Arc;

use accrue_chassis::clock::SystemClock;
use accrue_chassis::settings::Problems;
use anyhow::Context as _;
use secrecy::ExposeSecret as _;

use crate::cli::MigrateArgs;
use crate::data_dir;

pub(crate) async fn run(args: MigrateArgs) -> anyhow::Result<ExitCode> {
    let mut problems = Problems::new();
    let mut auth = args.auth.check(&mut problems).flatten();
    let mut accounting = args.accounting.check(&mut problems);
    problems.finish()?;
    if auth.is_none() && accounting.is_none() {
        let dir = args.data_dir.context(
            "nothing to do: set AUTH_DATABASE_URL, ACCOUNTING_DATABASE_URL or both, or name the data directory \
             of the all-in-one with --data-dir",
        )?;
        // Those that are there: it makes what it lacks by itself.
        let file = |name: &str| dir.join(name).exists().then(|| data_dir::sqlite_url(&dir, name).into());
        (auth, accounting) = (file("auth.db"), file("accounting.db"));
        anyhow::ensure!(auth.is_some() || accounting.is_some(), "{} holds no database", dir.display());
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
