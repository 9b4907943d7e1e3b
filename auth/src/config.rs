//! The settings of auth: flags with environment fallbacks, checked together.

mod tokens;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use accrue_chassis::settings::Problems;
use secrecy::{ExposeSecret as _, SecretString};

use crate::limits::{LimitArgs, Rates};
use crate::mail::{MailArgs, MailConfig};
use crate::passwords::HashCost;
use crate::store;

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

    /// Where users are kept: `mongodb://…`, `mongodb+srv://…` or `sqlite:PATH`
    #[arg(long, env = "AUTH_DATABASE_URL", value_name = "URL", hide_env_values = true, value_parser = secret)]
    auth_database_url: Option<SecretString>,

    /// A file that holds that URL
    #[arg(long, env = "AUTH_DATABASE_URL_FILE", value_name = "PATH")]
    auth_database_url_file: Option<PathBuf>,

    /// Passwords that may wait to be hashed; what comes on top is answered with 503
    #[arg(long, env = "AUTH_HASH_QUEUE", value_name = "COUNT", default_value_t = DEFAULT_HASH_QUEUE)]
    auth_hash_queue: usize,

    /// Memory that one password hash takes, in KiB
    #[arg(long, env = "AUTH_HASH_MEMORY_KIB", value_name = "KIB",
          default_value_t = HashCost::default().memory_kib)]
    auth_hash_memory_kib: u32,

    /// Passes that one password hash makes over that memory
    #[arg(long, env = "AUTH_HASH_PASSES", value_name = "COUNT", default_value_t = HashCost::default().passes)]
    auth_hash_passes: u32,

    /// Requests answered at once; what comes on top is answered with 503
    #[arg(long, env = "AUTH_MAX_IN_FLIGHT", value_name = "COUNT", default_value_t = DEFAULT_MAX_IN_FLIGHT)]
    auth_max_in_flight: usize,

    /// Every request is answered within this many milliseconds
    #[arg(long, env = "AUTH_REQUEST_DEADLINE_MS", value_name = "MS", default_value_t = DEFAULT_DEADLINE_MS)]
    auth_request_deadline_ms: u64,

    /// Proxies before auth, each of which adds to `X-Forwarded-For`; 0: the header counts for nothing
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
        let given = self.auth_database_url.is_some() || self.auth_database_url_file.is_some();
        let url = self.auth_database_url.map(|url| url.expose_secret().to_owned());
        let url = problems.secret("AUTH_DATABASE_URL", url, self.auth_database_url_file).and_then(|url| {
            problems.take(store::check_url(&url).map_err(|error| format!("AUTH_DATABASE_URL: {error}")))?;
            Some(SecretString::from(url))
        });
        let url_is_usable = url.is_some() == given;
        let hash_queue = problems.in_range("AUTH_HASH_QUEUE", self.auth_hash_queue, 1..=10_000);
        // argon2 asks for 8 KiB a lane; what is far below OWASP's least is for tests.
        let memory_kib =
            problems.in_range("AUTH_HASH_MEMORY_KIB", self.auth_hash_memory_kib, 8..=4 * 1024 * 1024);
        let passes = problems.in_range("AUTH_HASH_PASSES", self.auth_hash_passes, 1..=100);
        let max_in_flight = problems.in_range("AUTH_MAX_IN_FLIGHT", self.auth_max_in_flight, 1..=100_000);
        let deadline_ms =
            problems.in_range("AUTH_REQUEST_DEADLINE_MS", self.auth_request_deadline_ms, 100..=120_000);
        let trusted_proxies = problems.in_range("AUTH_TRUSTED_PROXIES", self.auth_trusted_proxies, 0..=16);
        let limits = self.auth_limits.check(problems);
        let mail = self.auth_mail.check(problems);
        let tokens = self.auth_tokens.check(problems);
        Some(AuthConfig {
            listen: listen?,
            database_url: url_is_usable.then_some(url)?,
            hash_queue: hash_queue?,
            hash_cost: HashCost { memory_kib: memory_kib?, passes: passes? },
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
