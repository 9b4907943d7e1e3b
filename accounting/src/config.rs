//! accounting's settings: flags, environment, and what they must be.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use accrue_chassis::settings::Problems;
use clap::Args;
use secrecy::SecretString;

use crate::ledger::{CREDITS_LIMIT, WelcomePolicy};

/// accounting's flags.
#[derive(Debug, Args)]
#[command(next_help_heading = "accounting")]
pub struct AccountingArgs {
    /// Where accounting listens.
    #[arg(long, env = "ACCOUNTING_LISTEN", default_value = "127.0.0.1:8002", value_name = "ADDR:PORT")]
    pub accounting_listen: SocketAddr,
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
    #[arg(long, env = "ACCOUNTING_LANES", default_value_t = 4, value_name = "N")]
    accounting_lanes: usize,
    /// Requests answered at once; further ones get 503.
    #[arg(long, env = "ACCOUNTING_MAX_IN_FLIGHT", default_value_t = 1024, value_name = "N")]
    accounting_max_in_flight: usize,
    /// Every request is answered within this time.
    #[arg(long, env = "ACCOUNTING_REQUEST_DEADLINE_MS", default_value_t = 10_000, value_name = "MS")]
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

impl AccountingArgs {
    /// Checks the settings; what is wrong goes to `problems`.
    pub fn check(self, problems: &mut Problems) -> Option<AccountingConfig> {
        let url = self.accounting_database_url;
        let database_url = problems.secret("ACCOUNTING_DATABASE_URL", url, self.accounting_database_url_file);
        let mut valid = true;
        let mut expect = |holds: bool, problem: &str| {
            if !holds {
                problems.add(problem);
                valid = false;
            }
        };
        expect(
            (0..CREDITS_LIMIT).contains(&self.accounting_welcome_credits),
            "ACCOUNTING_WELCOME_CREDITS must be from 0 to 9007199254740991",
        );
        expect((1..=64).contains(&self.accounting_lanes), "ACCOUNTING_LANES must be from 1 to 64");
        expect(
            (1..=1_000_000).contains(&self.accounting_max_in_flight),
            "ACCOUNTING_MAX_IN_FLIGHT must be from 1 to 1000000",
        );
        expect(
            (100..=600_000).contains(&self.accounting_request_deadline_ms),
            "ACCOUNTING_REQUEST_DEADLINE_MS must be from 100 to 600000",
        );
        valid.then(|| AccountingConfig {
            listen: self.accounting_listen,
            database_url: database_url.map(SecretString::from),
            welcome: WelcomePolicy { credits: self.accounting_welcome_credits, needs_verified_email: false },
            lanes: self.accounting_lanes,
            max_in_flight: self.accounting_max_in_flight,
            request_deadline: Duration::from_millis(self.accounting_request_deadline_ms),
        })
    }
}
