//! Which database an admin command works in, opened, and what it needs besides.

use std::path::PathBuf;
use std::sync::Arc;

use accrue_auth::config::{DatabaseArgs, HashArgs, KeyArgs};
use accrue_auth::passwords::PasswordHashing;
use accrue_auth::sealing::KeyEncryptionKeys;
use accrue_auth::store::{self, AuthStore};
use accrue_auth::tokens::SigningAlgorithm;
use accrue_chassis::clock::{SharedClock, SystemClock};
use accrue_chassis::settings::Problems;
use anyhow::Context as _;
use clap::Args;
use secrecy::ExposeSecret as _;

use crate::data_dir;
use crate::key_file;

#[derive(Debug, Args)]
pub(crate) struct StoreArgs {
    /// The data directory of an `accrue` that runs everything, for what no URL names
    #[arg(long, env = "ACCRUE_DATA_DIR", value_name = "DIR")]
    data_dir: Option<PathBuf>,
    #[command(flatten)]
    database: DatabaseArgs,
}

/// A store, and the keys that seal what is in it.
#[derive(Debug, Args)]
pub(super) struct SealedStoreArgs {
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    keys: KeyArgs,
}

/// auth's database.
pub(crate) struct Opened {
    pub(crate) store: Arc<dyn AuthStore>,
    pub(crate) clock: SharedClock,
}

/// What signing keys are made with, and encrypted under, as the services have it.
pub(super) struct Sealing {
    pub(super) algorithm: SigningAlgorithm,
    pub(super) keys: KeyEncryptionKeys,
}

impl StoreArgs {
    /// Opens the database as it is: a command that is newer than the services must
    /// not change its schema under them.
    pub(crate) async fn open(self) -> anyhow::Result<Opened> {
        let mut problems = Problems::new();
        let given = self.database.check(&mut problems);
        problems.finish()?;
        let given = given.flatten().map(|url| url.expose_secret().to_owned());
        let in_directory = self.data_dir.map(|dir| data_dir::sqlite_url(&dir, "auth.db"));
        let url = given.or(in_directory).context(
            "which database? Set AUTH_DATABASE_URL, or name the data directory of the all-in-one with --data-dir",
        )?;
        let clock: SharedClock = Arc::new(SystemClock);
        let store = store::open(&url, Arc::clone(&clock), false).await;
        let store = store.context("auth's database cannot be used")?;
        Ok(Opened { store, clock })
    }
}

impl SealedStoreArgs {
    /// As [`StoreArgs::open`]; keys that no setting names are those in the data directory.
    pub(super) async fn open(self) -> anyhow::Result<(Opened, Sealing)> {
        let mut problems = Problems::new();
        let read = self.keys.check(&mut problems);
        problems.finish()?;
        let (algorithm, given) = read.context("the settings were not read")?;
        let keys = match (given, &self.store.data_dir) {
            (Some(keys), _) => keys,
            (None, Some(directory)) => key_file::read(directory)?,
            (None, None) => anyhow::bail!(
                "AUTH_KEY_ENCRYPTION_KEYS (or AUTH_KEY_ENCRYPTION_KEYS_FILE) is not set: what are signing \
                 keys encrypted under?"
            ),
        };
        Ok((self.store.open().await?, Sealing { algorithm, keys }))
    }
}

/// Hashes passwords at the cost that the settings name.
pub(super) fn passwords(args: &HashArgs) -> anyhow::Result<PasswordHashing> {
    let mut problems = Problems::new();
    let cost = args.check(&mut problems);
    problems.finish()?;
    Ok(PasswordHashing::new(1, cost.context("the settings were not read")?))
}
