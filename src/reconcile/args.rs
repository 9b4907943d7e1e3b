//! What reconciliation is told: where the services are, by whom it asks, and what it may do.

use std::path::PathBuf;
use std::time::Duration;

use accrue_chassis::settings::Problems;
use anyhow::Context as _;
use clap::Args;
use secrecy::SecretString;
use url::Url;

const USUAL_AUTH: &str = "http://127.0.0.1:8001";
const USUAL_ACCOUNTING: &str = "http://127.0.0.1:8002";

#[derive(Debug, Args)]
pub(crate) struct ReconcileArgs {
    /// Where auth is
    #[arg(long, env = "RECONCILE_AUTH_URL", default_value = USUAL_AUTH, value_name = "URL")]
    auth_url: Url,
    /// Where accounting is
    #[arg(long, env = "RECONCILE_ACCOUNTING_URL", default_value = USUAL_ACCOUNTING, value_name = "URL")]
    accounting_url: Url,
    /// A client of auth with the scope `events:admin`, and `users:admin` if users that were deleted
    /// may have come back: `accrue admin create-client` makes one
    #[arg(long, env = "RECONCILE_CLIENT_ID", value_name = "ID")]
    client_id: Option<String>,
    /// Its secret; better given by the environment or a file, as others can read flags
    #[arg(long, env = "RECONCILE_CLIENT_SECRET", hide_env_values = true, value_name = "SECRET")]
    client_secret: Option<String>,
    /// A file that holds the secret
    #[arg(long, env = "RECONCILE_CLIENT_SECRET_FILE", value_name = "PATH")]
    client_secret_file: Option<PathBuf>,
    /// Repair what is found: have auth publish users once more or erase them again, mark accounts
    /// as orphaned. No balance is ever touched
    #[arg(long, env = "RECONCILE_REPAIR")]
    repair: bool,
    /// What changed within so many seconds is looked at again before it is told of: its event may be
    /// on its way
    #[arg(long, env = "RECONCILE_GRACE_S", default_value_t = 30, value_name = "SECONDS")]
    grace: u64,
    /// From which age on a placeholder is told of that auth knows nobody for
    #[arg(long, env = "RECONCILE_PLACEHOLDER_AGE_S", default_value_t = 3_600, value_name = "SECONDS")]
    placeholder_age: u64,
    /// Look again and again, resting so many seconds between, until the process is stopped
    #[arg(long, env = "RECONCILE_EVERY_S", value_name = "SECONDS")]
    every: Option<u64>,
    /// Where metrics and health are served meanwhile
    #[arg(long, env = "RECONCILE_LISTEN", default_value = "127.0.0.1:8003", value_name = "ADDRESS")]
    listen: String,
}

/// The same, checked.
pub(super) struct Settings {
    pub(super) auth_url: Url,
    pub(super) accounting_url: Url,
    pub(super) client_id: String,
    pub(super) client_secret: SecretString,
    pub(super) manner: Manner,
    /// How long it rests between two looks; none for one look.
    pub(super) every: Option<Duration>,
    pub(super) listen: std::net::SocketAddr,
}

/// How a look is taken.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manner {
    /// By a process that goes on, and logs.
    pub(super) is_repeated: bool,
    pub(super) repairs: bool,
    pub(super) grace: Duration,
    pub(super) placeholder_age: Duration,
}

impl ReconcileArgs {
    /// # Errors
    /// Every problem at once.
    pub(super) fn check(self) -> anyhow::Result<Settings> {
        let mut problems = Problems::new();
        let secret = problems.secret("RECONCILE_CLIENT_SECRET", self.client_secret, self.client_secret_file);
        if self.client_id.is_none() || secret.is_none() {
            problems.add(
                "RECONCILE_CLIENT_ID and RECONCILE_CLIENT_SECRET (or RECONCILE_CLIENT_SECRET_FILE) are needed: \
                 accrue admin create-client --name reconcile --scope events:admin --scope users:admin",
            );
        }
        for (name, url) in
            [("RECONCILE_AUTH_URL", &self.auth_url), ("RECONCILE_ACCOUNTING_URL", &self.accounting_url)]
        {
            if !matches!(url.scheme(), "http" | "https") || url.cannot_be_a_base() {
                problems.add(format!("{name}: a service's URL is http://HOST:PORT or https://HOST"));
            }
        }
        let grace = problems.in_range("RECONCILE_GRACE_S", self.grace, 0..=600);
        let age = problems.in_range("RECONCILE_PLACEHOLDER_AGE_S", self.placeholder_age, 0..=31_536_000);
        let every = self.every.map(|every| problems.in_range("RECONCILE_EVERY_S", every, 1..=604_800));
        let listen = problems.listen_address("RECONCILE_LISTEN", &self.listen);
        problems.finish()?;
        let manner = grace.zip(age).map(|(grace, age)| Manner {
            is_repeated: self.every.is_some(),
            repairs: self.repair,
            grace: Duration::from_secs(grace),
            placeholder_age: Duration::from_secs(age),
        });
        let read = self.client_id.zip(secret).zip(manner.zip(listen));
        let ((client_id, secret), (manner, listen)) = read.context("the settings were not read")?;
        Ok(Settings {
            auth_url: self.auth_url,
            accounting_url: self.accounting_url,
            client_id,
            client_secret: secret.into(),
            manner,
            every: every.flatten().map(Duration::from_secs),
            listen,
        })
    }
}
