//! `accrue audit`: whether accounting's books agree with themselves, and with what was kept of them.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use accrue_accounting::audit::{Anchor, AuditError, Finding, Progress, audit};
use accrue_accounting::config::DatabaseArgs;
use accrue_accounting::store;
use accrue_chassis::settings::Problems;
use anyhow::Context as _;
use clap::Args;
use secrecy::{ExposeSecret as _, SecretString};

use crate::{data_dir, progress};

/// What an exit code says besides 0, all agrees.
const DRIFT: u8 = 1;
const BAD_SETTINGS: u8 = 2;
const UNREAD: u8 = 3;

#[derive(Debug, Args)]
pub(crate) struct AuditArgs {
    #[command(flatten)]
    database: DatabaseArgs,
    /// The data directory of an `accrue` that runs everything, if no URL is given
    #[arg(long, env = "ACCRUE_DATA_DIR", value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Audit this account alone
    #[arg(long, value_name = "ID")]
    user: Option<String>,
    /// Check the heads in this file, and put those of now in their place if all agrees. Without the
    /// file it is made
    #[arg(long, value_name = "FILE", conflicts_with = "user")]
    anchor: Option<PathBuf>,
}

pub(crate) async fn run(args: AuditArgs) -> ExitCode {
    let AuditArgs { database, data_dir, user, anchor } = args;
    let url = match url(database, data_dir.as_deref()) {
        Ok(url) => url,
        Err(error) => return fail(&error, BAD_SETTINGS),
    };
    match look(&url, user.as_deref(), anchor.as_deref()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => DRIFT.into(),
        Err(error) => fail(&error, UNREAD),
    }
}

fn fail(error: &anyhow::Error, code: u8) -> ExitCode {
    eprintln!("accrue: {error:#}");
    code.into()
}

/// Which database.
fn url(database: DatabaseArgs, directory: Option<&Path>) -> anyhow::Result<SecretString> {
    let mut problems = Problems::new();
    let given = database.check(&mut problems);
    problems.finish()?;
    let in_directory = directory.map(|dir| data_dir::sqlite_url(dir, "accounting.db").into());
    given.or(in_directory).context(
        "which database? Set ACCOUNTING_DATABASE_URL, or name the data directory of the all-in-one with \
         --data-dir",
    )
}

async fn look(url: &SecretString, user: Option<&str>, anchor: Option<&Path>) -> anyhow::Result<bool> {
    let source = store::open_audit(url.expose_secret()).await.context("the audit cannot begin")?;
    let anchor = anchor.map(Anchor::open).transpose();
    let mut anchor = anchor.context("the anchor cannot be used")?;
    let mut found = 0_u64;
    let mut report = |finding: Finding| {
        found += 1;
        drop(writeln!(std::io::stdout(), "{finding}"));
    };
    let (begun, mut line) = (Instant::now(), progress::Progress::new());
    let mut tell = move |accounts: u64, entries: u64| {
        let a_second = u128::from(entries) * 1_000 / begun.elapsed().as_millis().max(1);
        line.tell(|| format!("{accounts} accounts, {entries} entries, {a_second} entries/s"));
    };
    let mut progress = Progress::new(&mut tell);
    let looked = audit(&*source, user, anchor.as_mut(), &mut progress, &mut report).await;
    let (accounts, entries) = (progress.accounts, progress.entries);
    if let Some(anchor) = anchor {
        let is_clean = looked.as_ref().is_ok_and(|is_clean| *is_clean);
        anchor.finish(is_clean).context("the anchor cannot be written")?;
    }
    let is_clean = looked.map_err(|error| match error {
        AuditError::Anchor(error) => anyhow::Error::new(error).context("the anchor cannot be used"),
        AuditError::Store(error) => anyhow::Error::new(error).context("not everything was looked at"),
    })?;
    anyhow::ensure!(accounts > 0 || user.is_none() || found > 0, "there is no account of this user id");
    eprintln!("{accounts} account(s) and {entries} entries were looked at; {found} finding(s)");
    Ok(is_clean)
}
