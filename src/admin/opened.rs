//! Which database an admin command works in, opened.

use std::path::PathBuf;
use std::sync::Arc;

use accrue_auth::config::{AuthArgs, AuthConfig};
use accrue_auth::passwords::PasswordHashing;
use accrue_auth::sealing::KeyEncryptionKeys;
use accrue_auth::store::{self, AuthStore};
use accrue_chassis::clock::{SharedClock, SystemClock};
use accrue_chassis::settings::Problems;
use anyhow::Context as _;
use clap::Args;
use secrecy::ExposeSecret as _;

use crate::key_file;

#[derive(Debug, Args)]
pub(super) struct StoreArgs {
    /// The data directory of an `accrue` that runs everything, for what no URL names
    #[arg(long, env = "ACCRUE_DATA_DIR", value_name = "DIR")]
    data_dir: Option<PathBuf>,
    #[command(flatten)]
    auth: AuthArgs,
}

/// auth's database and settings.
pub(super) struct Opened {
    pub(super) store: Arc<dyn AuthStore>,
    pub(super) config: AuthConfig,
    pub(super) clock: SharedClock,
    data_dir: Option<PathBuf>,
}

impl StoreArgs {
    /// Opens the database as it is: a command that is newer than the services must
    /// not change its schema under them.
    pub(super) async fn open(self) -> anyhow::Result<Opened> {
        let mut problems = Problems::new();
        let config = self.auth.check(&mut problems);
        problems.finish()?;
        let config = config.context("the settings were not read")?;
        let in_directory =
            self.data_dir.as_ref().map(|dir| format!("sqlite:{}", dir.join("auth.db").display()));
        let given = config.database_url.as_ref().map(|url| url.expose_secret().to_owned());
        let url = given.or(in_directory).context(
            "which database? Set AUTH_DATABASE_URL, or name the data directory of the all-in-one with --data-dir",
        )?;
        let clock: SharedClock = Arc::new(SystemClock);
        let store = store::open(&url, Arc::clone(&clock), false).await;
        let store = store.context("auth's database cannot be used")?;
        Ok(Opened { store, config, clock, data_dir: self.data_dir })
    }
}

impl Opened {
    pub(super) fn passwords(&self) -> PasswordHashing {
        PasswordHashing::new(1, self.config.hash_cost)
    }

    /// What signing keys are encrypted under, as the services have it.
    pub(super) fn sealing(&self) -> anyhow::Result<KeyEncryptionKeys> {
        match (&self.config.tokens.key_encryption_keys, &self.data_dir) {
            (Some(keys), _) => Ok(keys.clone()),
            (None, Some(directory)) => key_file::read(directory),
            (None, None) => anyhow::bail!(
                "AUTH_KEY_ENCRYPTION_KEYS (or AUTH_KEY_ENCRYPTION_KEYS_FILE) is not set: what are signing \
                 keys encrypted under?"
            ),
        }
    }
}
