//! accounting's settings: flags, environment, and what they must be.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use accrue_chassis::settings::Problems;
use clap::Args;
use secrecy::SecretString;

use crate::ledger::{CREDITS_LIMIT, WelcomePolicy};
use crate::store;

const DEFAULT_LANES: usize = 4;
const DEFAULT_MAX_IN_FLIGHT: usize = 1_024;
const DEFAULT_DEADLINE_MS: u64 = 10_000;

/// accounting's flags.
#[derive(Debug, Args)]
#[command(next_help_heading = "Accounting")]
#[expect(clippy::struct_field_names, reason = "clap names flags by these, beside those of other services")]
pub struct AccountingArgs {
    /// Where accounting listens.
    #[arg(long, env = "ACCOUNTING_LISTEN", default_value = "127.0.0.1:8002", value_name = "ADDRESS")]
    accounting_listen: String,
    /// accounting's database: <postgres://user:password@host:port/name> or sqlite:PATH.
    #[arg(long, env = "ACCOUNTING_DATABASE_URL", hide_env_values = true, value_name = "URL")]
    accounting_database_url: Option<String>,
    /// A file that holds the URL, in place of the URL itself.
    #[arg(long, env = "ACCOUNTING_DATABASE_URL_FILE", value_name = "FILE")]
    accounting_database_url_file: Option<PathBuf>,
    /// Credits that each new user is given once; 0 gives none.
    #[arg(long, env = "ACCOUNTING_WELCOME_CREDITS", default_value_t = 0, value_name = "CREDITS")]
    accounting_welcome_credits: i64,
    /// Batches that are posted side by side, each on a connection of its own.
    #[arg(long, env = "ACCOUNTING_LANES", default_value_t = DEFAULT_LANES, value_name = "N")]
    accounting_lanes: usize,
    /// Requests answered at once; further ones get 503.
    #[arg(long, env = "ACCOUNTING_MAX_IN_FLIGHT", default_value_t = DEFAULT_MAX_IN_FLIGHT, value_name = "N")]
    accounting_max_in_flight: usize,
    /// Every request is answered within this time.
    #[arg(long, env = "ACCOUNTING_REQUEST_DEADLINE_MS", default_value_t = DEFAULT_DEADLINE_MS, value_name = "MS")]
    accounting_request_deadline_ms: u64,
}

/// accounting's settings, checked.
#[derive(Debug, Clone)]
pub struct AccountingConfig {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The database, if one was named. It holds a password.
    pub database_url: Option<SecretString>,
    /// Credits for new users.
    pub welcome: WelcomePolicy,
    /// Batches posted side by side.
    pub lanes: usize,
    /// Requests answered at once.
    pub max_in_flight: usize,
    /// Every request is answered within this time.
    pub request_deadline: Duration,
}

impl AccountingConfig {
    /// What holds where nothing is set.
    #[must_use]
    pub fn with_defaults(listen: SocketAddr) -> Self {
        Self {
            listen,
            database_url: None,
            welcome: WelcomePolicy::OFF,
            lanes: DEFAULT_LANES,
            max_in_flight: DEFAULT_MAX_IN_FLIGHT,
            request_deadline: Duration::from_millis(DEFAULT_DEADLINE_MS),
        }
    }
}

impl AccountingArgs {
    /// Checks the settings; what is wrong goes to `problems`.
    pub fn check(self, problems: &mut Problems) -> Option<AccountingConfig> {
        let listen = problems.listen_address("ACCOUNTING_LISTEN", &self.accounting_listen);
        let given = self.accounting_database_url.is_some() || self.accounting_database_url_file.is_some();
        let (url, file) = (self.accounting_database_url, self.accounting_database_url_file);
        let database_url = problems.secret("ACCOUNTING_DATABASE_URL", url, file).and_then(|url| {
            let checked = store::check_url(&url);
            problems.take(checked.map_err(|error| format!("ACCOUNTING_DATABASE_URL: {error}")))?;
            Some(SecretString::from(url))
        });
        let url_is_usable = database_url.is_some() == given;
        let (credits, lanes) = (self.accounting_welcome_credits, self.accounting_lanes);
        let credits = problems.in_range("ACCOUNTING_WELCOME_CREDITS", credits, 0..=CREDITS_LIMIT - 1);
        let lanes = problems.in_range("ACCOUNTING_LANES", lanes, 1..=64);
        let max_in_flight =
            problems.in_range("ACCOUNTING_MAX_IN_FLIGHT", self.accounting_max_in_flight, 1..=100_000);
        let deadline_ms = self.accounting_request_deadline_ms;
        let deadline_ms = problems.in_range("ACCOUNTING_REQUEST_DEADLINE_MS", deadline_ms, 100..=120_000);
        if !url_is_usable {
            return None;
        }
        Some(AccountingConfig {
            listen: listen?,
            database_url,
            welcome: WelcomePolicy { credits: credits?, needs_verified_email: false },
            lanes: lanes?,
            max_in_flight: max_in_flight?,
            request_deadline: Duration::from_millis(deadline_ms?),
        })
    }
}
