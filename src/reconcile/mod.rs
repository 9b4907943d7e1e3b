//! `accrue reconcile`: whether both services know the same users, and repairs where they do not.

mod args;
mod finding;
mod look;
mod merge;
mod rounds;
mod services;
mod tally;
#[cfg(test)]
mod tests;

use std::process::ExitCode;

use anyhow::Context as _;

pub(crate) use self::args::ReconcileArgs;
use self::args::Settings;
use self::look::Look;
use self::services::Services;
use self::tally::Tally;

/// What an exit code says besides 0, they agree by now.
const DISAGREE: u8 = 1;
const BAD_SETTINGS: u8 = 2;
const UNREAD: u8 = 3;

pub(crate) async fn run(args: ReconcileArgs) -> ExitCode {
    let settings = match args.check() {
        Ok(settings) => settings,
        Err(error) => return fail(&error, BAD_SETTINGS),
    };
    if let Some(every) = settings.every {
        return match rounds::run(settings, every).await {
            Ok(code) => code,
            Err(error) => fail(&error, UNREAD),
        };
    }
    match once(&settings).await {
        Ok(tally) => {
            eprintln!("{tally}");
            if tally.is_settled() { ExitCode::SUCCESS } else { DISAGREE.into() }
        }
        Err(error) => fail(&error, UNREAD),
    }
}

fn fail(error: &anyhow::Error, code: u8) -> ExitCode {
    eprintln!("accrue: {error:#}");
    code.into()
}

/// One look over everybody.
async fn once(settings: &Settings) -> anyhow::Result<Tally> {
    let urls = (settings.auth_url.clone(), settings.accounting_url.clone());
    let by = (settings.client_id.clone(), settings.client_secret.clone());
    let services = Services::new(urls, by)?;
    let mut look = Look::new(&services, settings.manner);
    look.at_all().await.context("not everybody was looked at")?;
    Ok(look.into_tally())
}
