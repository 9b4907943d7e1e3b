//! The settings of auth: flags with environment fallbacks, checked together.

mod parts;
mod tokens;

use std::net::SocketAddr;
use std::time::Duration;

use accrue_chassis::settings::Problems;
use secrecy::SecretString;

use crate::limits::{LimitArgs, Rates};
use crate::mail::{MailArgs, MailConfig};
use crate::passwords::HashCost;

pub use parts::{DatabaseArgs, HashArgs, KeyArgs};
pub use tokens::{TokenArgs, TokenConfig};

const DEFAULT_HASH_QUEUE: usize = 64;
const DEFAULT_MAX_IN_FLIGHT: usize = 1_024;
const DEFAULT_DEADLINE_MS: u64 = 10_000;

/// The flags, to be flattened into a command of the binary.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Auth")]
#[expect(clippy::struct_field_names, reason = "clap names flags by these, beside those of other services")]
pub struct AuthArgs {
    /// Where auth listens: an IP address and a port
    #[arg(long, env = "AUTH_LISTEN", value_name = "ADDRESS", default_value = "127.0.0.1:8001")]
    auth_listen: String,

    #[command(flatten)]
    auth_database: DatabaseArgs,

    /// Passwords that may wait to be hashed (1 to 10000); what comes on top is answered with 503
    #[arg(long, env = "AUTH_HASH_QUEUE", value_name = "COUNT", default_value_t = DEFAULT_HASH_QUEUE)]
    auth_hash_queue: usize,

    #[command(flatten)]
    auth_hash: HashArgs,

    /// Requests answered at once (1 to 100000); what comes on top is answered with 503
    #[arg(long, env = "AUTH_MAX_IN_FLIGHT", value_name = "COUNT", default_value_t = DEFAULT_MAX_IN_FLIGHT)]
    auth_max_in_flight: usize,

    /// Every request is answered within this many milliseconds (100 to 120000)
    #[arg(long, env = "AUTH_REQUEST_DEADLINE_MS", value_name = "MS", default_value_t = DEFAULT_DEADLINE_MS)]
    auth_request_deadline_ms: u64,

    /// Proxies before auth (0 to 16), each of which adds to `X-Forwarded-For`; 0: the header counts
    /// for nothing
    #[arg(long, env = "AUTH_TRUSTED_PROXIES", value_name = "COUNT", default_value_t = 0)]
    auth_trusted_proxies: u8,

    #[command(flatten)]
    auth_limits: LimitArgs,

    #[command(flatten)]
    auth_mail: MailArgs,

    #[command(flatten)]
    auth_tokens: TokenArgs,
}

/// Settings that can be used.
#[derive(Debug, Clone)]
pub struct AuthConfig {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Where users are kept; none where the command supplies a file of its own.
    pub database_url: Option<SecretString>,
    /// Passwords that may wait to be hashed.
    pub hash_queue: usize,
    /// What one hash costs.
    pub hash_cost: HashCost,
    /// Requests answered at once.
    pub max_in_flight: usize,
    /// Every request is answered within this time.
    pub request_deadline: Duration,
    /// Proxies before auth whose word about the client's address is taken.
    pub trusted_proxies: u8,
    /// How much of what is admitted.
    pub limits: Rates,
    /// How mail is sent.
    pub mail: MailConfig,
    /// How tokens are made.
    pub tokens: TokenConfig,
}

impl AuthConfig {
    /// What holds where nothing is set.
    #[must_use]
    pub fn with_defaults(listen: SocketAddr) -> Self {
        Self {
            listen,
            database_url: None,
            hash_queue: DEFAULT_HASH_QUEUE,
            hash_cost: HashCost::default(),
            max_in_flight: DEFAULT_MAX_IN_FLIGHT,
            request_deadline: Duration::from_millis(DEFAULT_DEADLINE_MS),
            trusted_proxies: 0,
            limits: Rates::default(),
            mail: MailConfig::default(),
            tokens: TokenConfig::default(),
        }
    }
}

impl AuthArgs {
    /// Checks the settings together. Nothing when something is wrong with them,
    /// all of which `problems` then holds.
    pub fn check(self, problems: &mut Problems) -> Option<AuthConfig> {
        let listen = problems.listen_address("AUTH_LISTEN", &self.auth_listen);
        let database_url = self.auth_database.check(problems);
        let hash_queue = problems.in_range("AUTH_HASH_QUEUE", self.auth_hash_queue, 1..=10_000);
        let hash_cost = self.auth_hash.check(problems);
        let max_in_flight = problems.in_range("AUTH_MAX_IN_FLIGHT", self.auth_max_in_flight, 1..=100_000);
        let deadline_ms =
            problems.in_range("AUTH_REQUEST_DEADLINE_MS", self.auth_request_deadline_ms, 100..=120_000);
        let trusted_proxies = problems.in_range("AUTH_TRUSTED_PROXIES", self.auth_trusted_proxies, 0..=16);
        let limits = self.auth_limits.check(problems);
        let mail = self.auth_mail.check(problems);
        let tokens = self.auth_tokens.check(problems);
        Some(AuthConfig {
            listen: listen?,
            database_url: database_url?,
            hash_queue: hash_queue?,
            hash_cost: hash_cost?,
            max_in_flight: max_in_flight?,
            request_deadline: Duration::from_millis(deadline_ms?),
            trusted_proxies: trusted_proxies?,
            limits: limits?,
            mail: mail?,
            tokens: tokens?,
        })
    }
}

/// Takes any text, and keeps it out of every `Debug`.
#[expect(clippy::unnecessary_wraps, reason = "the form of clap's value parsers")]
pub(crate) fn secret(text: &str) -> Result<SecretString, std::convert::Infallible> {
    Ok(SecretString::from(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use clap::Parser;
    use secrecy::ExposeSecret as _;

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        auth: AuthArgs,
    }

    fn check(flags: &[&str]) -> Result<AuthConfig, String> {
        let cli = Cli::try_parse_from([&["auth"], flags].concat()).map_err(|error| error.to_string())?;
        let mut problems = Problems::new();
        let config = cli.auth.check(&mut problems);
        problems.finish().map_err(|error| error.to_string())?;
        config.ok_or_else(|| "nothing, and no problem told".to_owned())
    }

    #[test]
    fn has_safe_defaults() {
        let config = check(&[]).expect("defaults");
        assert_eq!(config.listen.to_string(), "127.0.0.1:8001");
        assert!(config.database_url.is_none());
        assert_eq!(config.request_deadline, Duration::from_secs(10));
    }

    #[test]
    fn tells_every_problem_and_no_secret() {
        let told = check(&[
            "--auth-listen=here",
            "--auth-database-url=postgres://ada:hunter2@db/x",
            "--auth-hash-queue=0",
            "--auth-request-deadline-ms=5",
        ])
        .expect_err("four problems");
        for name in ["AUTH_LISTEN", "AUTH_DATABASE_URL", "AUTH_HASH_QUEUE", "AUTH_REQUEST_DEADLINE_MS"] {
            assert!(told.contains(name), "{name} is missing in {told}");
        }
        assert!(!told.contains("hunter2"), "{told}");
    }

    #[test]
    fn shows_no_secret() {
        let url = "--auth-database-url=mongodb://ada:hunter2@db/x";
        let cli = Cli::try_parse_from(["auth", url]).expect("flags");
        assert!(!format!("{cli:?}").contains("hunter2"));
        let config = check(&[url]).expect("a URL");
        assert!(!format!("{config:?}").contains("hunter2"));
    }

    #[test]
    fn reads_the_url_from_a_file() {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        writeln!(file, "mongodb://db/x").expect("written");
        let path = file.path().to_str().expect("text");
        let config = check(&[&format!("--auth-database-url-file={path}")]).expect("a URL");
        assert_eq!(config.database_url.expect("the URL").expose_secret(), "mongodb://db/x");
        let told = check(&["--auth-database-url=sqlite:x", &format!("--auth-database-url-file={path}")])
            .expect_err("two URLs");
        assert!(told.contains("both set"), "{told}");
    }
}
