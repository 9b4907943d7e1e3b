//! accounting's settings: flags, environment, and what they must be.

mod database;
mod directory;
mod tokens;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use accrue_chassis::settings::Problems;
use clap::Args;
use secrecy::SecretString;

use crate::directory::OnUnknownUser;
use crate::ledger::{CREDITS_LIMIT, EventPolicy, Policies, Spending, WelcomePolicy};
use crate::store;

pub use self::database::DatabaseArgs;
pub use self::directory::DirectoryConfig;
pub use self::tokens::TokenConfig;
use self::tokens::{DEFAULT_AUDIENCE, DEFAULT_ISSUER, http_url};

const DEFAULT_MAX_IN_FLIGHT: usize = 1_024;
const DEFAULT_DEADLINE_MS: u64 = 10_000;

/// accounting's flags.
#[derive(Debug, Args)]
#[command(next_help_heading = "Accounting")]
pub struct AccountingArgs {
    /// Where accounting listens: an IP address and a port
    #[arg(long, env = "ACCOUNTING_LISTEN", default_value = "127.0.0.1:8002", value_name = "ADDRESS")]
    accounting_listen: String,
    /// Where credits are kept: `postgres://USER:PASSWORD@HOST:PORT/NAME` or `sqlite:PATH`
    #[arg(long, env = "ACCOUNTING_DATABASE_URL", hide_env_values = true, value_name = "URL")]
    accounting_database_url: Option<String>,
    /// A file that holds that URL
    #[arg(long, env = "ACCOUNTING_DATABASE_URL_FILE", value_name = "PATH")]
    accounting_database_url_file: Option<PathBuf>,
    /// Who makes the access tokens that requests must carry: `AUTH_ISSUER` of auth
    #[arg(long, env = "ACCOUNTING_TOKEN_ISSUER", default_value = DEFAULT_ISSUER, value_name = "URL")]
    accounting_token_issuer: String,
    /// Whom these tokens must be for: `AUTH_AUDIENCE` of auth
    #[arg(long, env = "ACCOUNTING_TOKEN_AUDIENCE", default_value = DEFAULT_AUDIENCE, value_name = "NAME")]
    accounting_token_audience: String,
    /// Where the issuer's keys are, if not in the usual place below its URL
    #[arg(long, env = "ACCOUNTING_JWKS_URL", value_name = "URL")]
    accounting_jwks_url: Option<String>,
    /// Credits that each new user is given once; 0 gives none
    #[arg(long, env = "ACCOUNTING_WELCOME_CREDITS", default_value_t = 0, value_name = "CREDITS")]
    accounting_welcome_credits: i64,
    /// When new users are given them: once they have registered, or have verified their address too
    #[arg(long, env = "ACCOUNTING_WELCOME_ON", default_value = "registered", value_name = "WHEN")]
    accounting_welcome_on: WelcomeOn,
    /// Whether suspended accounts may spend and reserve
    #[arg(long, env = "ACCOUNTING_SUSPENDED_SPENDING", default_value = "deny", value_name = "WHETHER")]
    accounting_suspended_spending: Permission,
    /// Whether accounts may spend and reserve whose user is not known yet
    #[arg(long, env = "ACCOUNTING_PLACEHOLDER_SPENDING", default_value = "allow", value_name = "WHETHER")]
    accounting_placeholder_spending: Permission,
    #[command(flatten)]
    directory: directory::DirectoryArgs,
    /// Whether what is booked is published as events, for whoever listens
    #[arg(long, env = "ACCOUNTING_EVENTS", default_value = "off", value_name = "SWITCH")]
    accounting_events: Switch,
    /// Below how many available credits an event tells that the balance is low; 0 is never
    #[arg(long, env = "ACCOUNTING_BALANCE_LOW", default_value_t = 0, value_name = "CREDITS")]
    accounting_balance_low: i64,
    /// Batches that are posted side by side, each on a connection of its own; by default as
    /// many as the machine has cores, 2 to 8
    #[arg(long, env = "ACCOUNTING_LANES", value_name = "COUNT")]
    accounting_lanes: Option<usize>,
    /// Requests answered at once; what comes on top is answered with 503
    #[arg(long, env = "ACCOUNTING_MAX_IN_FLIGHT", default_value_t = DEFAULT_MAX_IN_FLIGHT, value_name = "COUNT")]
    accounting_max_in_flight: usize,
    /// Every request is answered within this many milliseconds
    #[arg(long, env = "ACCOUNTING_REQUEST_DEADLINE_MS", default_value_t = DEFAULT_DEADLINE_MS, value_name = "MS")]
    accounting_request_deadline_ms: u64,
}

/// What a new user must have done to be given welcome credits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum WelcomeOn {
    /// Registered.
    Registered,
    /// Shown that the address is theirs.
    Verified,
}

/// Whether something is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Permission {
    /// It is.
    Allow,
    /// It is not.
    Deny,
}

/// Whether something is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Switch {
    /// It is not.
    Off,
    /// It is.
    On,
}

/// Whether what is booked becomes events, if the two settings go together.
fn event_policy(switch: Switch, balance_low: i64, problems: &mut Problems) -> Option<EventPolicy> {
    let balance_low = problems.in_range("ACCOUNTING_BALANCE_LOW", balance_low, 0..=CREDITS_LIMIT - 1)?;
    match switch {
        Switch::On => Some(EventPolicy::On { balance_low }),
        Switch::Off if balance_low == 0 => Some(EventPolicy::Off),
        Switch::Off => {
            problems.add("ACCOUNTING_BALANCE_LOW is told by an event, and ACCOUNTING_EVENTS is off");
            None
        }
    }
}

impl From<Permission> for Spending {
    fn from(permission: Permission) -> Self {
        match permission {
            Permission::Allow => Self::Allow,
            Permission::Deny => Self::Deny,
        }
    }
}

/// accounting's settings, checked.
#[derive(Debug, Clone)]
pub struct AccountingConfig {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The database, if one was named. It holds a password.
    pub database_url: Option<SecretString>,
    /// Whose access tokens are taken.
    pub tokens: TokenConfig,
    /// Credits for new users, and who may spend.
    pub policies: Policies,
    /// What is done about users who have no account, unless the request says so.
    pub on_unknown_user: OnUnknownUser,
    /// Where auth is asked after them, if it is.
    pub directory: Option<DirectoryConfig>,
    /// Batches posted side by side.
    pub lanes: usize,
    /// Requests answered at once.
    pub max_in_flight: usize,
    /// Every request is answered within this time.
    pub request_deadline: Duration,
}

/// A lane keeps one core of the database's server busy; more than there are cores make
/// batches small and each of them dear.
fn default_lanes() -> usize {
    std::thread::available_parallelism().map_or(2, |cores| cores.get().clamp(2, 8))
}

impl AccountingConfig {
    /// What holds where nothing is set.
    #[must_use]
    pub fn with_defaults(listen: SocketAddr) -> Self {
        Self {
            listen,
            database_url: None,
            tokens: TokenConfig::default(),
            policies: Policies::DEFAULT,
            on_unknown_user: OnUnknownUser::Placeholder,
            directory: None,
            lanes: default_lanes(),
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
        let (issuer, audience) = (self.accounting_token_issuer, self.accounting_token_audience);
        let directory = self.directory.check(&issuer, problems);
        let tokens = TokenConfig::new(&issuer, &audience, &issuer);
        let tokens = problems.take(tokens.map_err(|error| format!("ACCOUNTING_TOKEN_ISSUER: {error}")));
        let jwks_url = self.accounting_jwks_url.map(|text| http_url(&text)).transpose();
        let jwks_url = problems.take(jwks_url.map_err(|error| format!("ACCOUNTING_JWKS_URL: {error}")));
        let (credits, lanes) =
            (self.accounting_welcome_credits, self.accounting_lanes.unwrap_or_else(default_lanes));
        let credits = problems.in_range("ACCOUNTING_WELCOME_CREDITS", credits, 0..=CREDITS_LIMIT - 1);
        let lanes = problems.in_range("ACCOUNTING_LANES", lanes, 1..=64);
        let events = event_policy(self.accounting_events, self.accounting_balance_low, problems);
        let max_in_flight =
            problems.in_range("ACCOUNTING_MAX_IN_FLIGHT", self.accounting_max_in_flight, 1..=100_000);
        let deadline_ms = self.accounting_request_deadline_ms;
        let deadline_ms = problems.in_range("ACCOUNTING_REQUEST_DEADLINE_MS", deadline_ms, 100..=120_000);
        if !url_is_usable {
            return None;
        }
        let directory = directory?;
        Some(AccountingConfig {
            listen: listen?,
            database_url,
            tokens: tokens.zip(jwks_url).map(|(tokens, given)| TokenConfig {
                jwks_url: given.unwrap_or(tokens.jwks_url.clone()),
                ..tokens
            })?,
            policies: Policies {
                welcome: WelcomePolicy {
                    credits: credits?,
                    needs_verified_email: self.accounting_welcome_on == WelcomeOn::Verified,
                },
                suspended_spending: self.accounting_suspended_spending.into(),
                placeholder_spending: self.accounting_placeholder_spending.into(),
                events: events?,
            },
            on_unknown_user: directory.on_unknown_user,
            directory: directory.directory,
            lanes: lanes?,
            max_in_flight: max_in_flight?,
            request_deadline: Duration::from_millis(deadline_ms?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_without_events_is_a_mistake() {
        let read = |switch, balance_low| {
            let mut problems = Problems::new();
            let policy = event_policy(switch, balance_low, &mut problems);
            (policy, problems.finish().map_err(|told| told.to_string()))
        };
        assert_eq!(read(Switch::Off, 0), (Some(EventPolicy::Off), Ok(())));
        assert_eq!(read(Switch::On, 0), (Some(EventPolicy::On { balance_low: 0 }), Ok(())));
        assert_eq!(read(Switch::On, 7), (Some(EventPolicy::On { balance_low: 7 }), Ok(())));
        for (switch, balance_low, problem) in [
            (Switch::Off, 7, "ACCOUNTING_EVENTS is off"),
            (Switch::On, -1, "ACCOUNTING_BALANCE_LOW: -1 is not between 0 and"),
        ] {
            let (policy, told) = read(switch, balance_low);
            assert_eq!(policy, None);
            assert!(told.is_err_and(|told| told.contains(problem)), "{problem}");
        }
    }
}
