//! Which database is accounting's, for commands that need no other setting.

use std::path::PathBuf;

use accrue_chassis::settings::Problems;
use clap::Args;
use secrecy::SecretString;

use crate::store;

/// Which database is accounting's.
// Named, because auth has one of the same name.
#[derive(Debug, Args)]
#[group(id = "accounting_database")]
pub struct DatabaseArgs {
    /// Where credits are kept: `postgres://USER:PASSWORD@HOST:PORT/NAME` or `sqlite:PATH`
    #[arg(long, env = "ACCOUNTING_DATABASE_URL", hide_env_values = true, value_name = "URL")]
    accounting_database_url: Option<String>,
    /// A file that holds that URL
    #[arg(long, env = "ACCOUNTING_DATABASE_URL_FILE", value_name = "PATH")]
    accounting_database_url_file: Option<PathBuf>,
}

impl DatabaseArgs {
    /// The URL, if one is given; what is wrong with it goes to `problems`.
    pub fn check(self, problems: &mut Problems) -> Option<SecretString> {
        let (url, file) = (self.accounting_database_url, self.accounting_database_url_file);
        let url = problems.secret("ACCOUNTING_DATABASE_URL", url, file)?;
        let checked = store::check_url(&url);
        problems.take(checked.map_err(|error| format!("ACCOUNTING_DATABASE_URL: {error}")))?;
        Some(SecretString::from(url))
    }
}
