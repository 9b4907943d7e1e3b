//! The settings that an operator's command shares with the service: where users are,
//! what passwords cost, and which keys seal.

use std::path::PathBuf;

use accrue_chassis::settings::Problems;
use secrecy::{ExposeSecret as _, SecretString};

use super::secret;
use crate::passwords::HashCost;
use crate::sealing::KeyEncryptionKeys;
use crate::store;
use crate::tokens::SigningAlgorithm;

/// Which database is auth's.
#[derive(Debug, Clone, clap::Args)]
pub struct DatabaseArgs {
    /// Where users are kept: `mongodb://…`, `mongodb+srv://…` or `sqlite:PATH`
    #[arg(long, env = "AUTH_DATABASE_URL", value_name = "URL", hide_env_values = true, value_parser = secret)]
    auth_database_url: Option<SecretString>,

    /// A file that holds that URL
    #[arg(long, env = "AUTH_DATABASE_URL_FILE", value_name = "PATH")]
    auth_database_url_file: Option<PathBuf>,
}

/// What a password hash costs.
#[derive(Debug, Clone, clap::Args)]
pub struct HashArgs {
    /// Memory that one password hash takes, in KiB (8 to 4194304)
    #[arg(long, env = "AUTH_HASH_MEMORY_KIB", value_name = "KIB",
          default_value_t = HashCost::default().memory_kib)]
    auth_hash_memory_kib: u32,

    /// Passes that one password hash makes over that memory (1 to 100)
    #[arg(long, env = "AUTH_HASH_PASSES", value_name = "COUNT", default_value_t = HashCost::default().passes)]
    auth_hash_passes: u32,
}

/// What signs tokens, and what that is encrypted under.
#[derive(Debug, Clone, clap::Args)]
#[expect(clippy::struct_field_names, reason = "clap names flags by these, beside those of other services")]
pub struct KeyArgs {
    /// What access tokens are signed with; another one takes effect at the next key
    #[arg(long, env = "AUTH_SIGNING_ALGORITHM", value_name = "NAME", default_value = "ES256")]
    auth_signing_algorithm: SigningAlgorithm,

    /// What signing keys and mail are encrypted under in the database: keys of 32 bytes
    /// in base64, newest first, with commas between
    #[arg(long, env = "AUTH_KEY_ENCRYPTION_KEYS", value_name = "KEYS", hide_env_values = true, value_parser = secret)]
    auth_key_encryption_keys: Option<SecretString>,

    /// A file that holds these
    #[arg(long, env = "AUTH_KEY_ENCRYPTION_KEYS_FILE", value_name = "PATH")]
    auth_key_encryption_keys_file: Option<PathBuf>,
}

impl DatabaseArgs {
    /// The URL, if one is given. Nothing when it cannot be used, which `problems` then tells.
    pub fn check(self, problems: &mut Problems) -> Option<Option<SecretString>> {
        let given = self.auth_database_url.is_some() || self.auth_database_url_file.is_some();
        let url = self.auth_database_url.map(|url| url.expose_secret().to_owned());
        let url = problems.secret("AUTH_DATABASE_URL", url, self.auth_database_url_file).and_then(|url| {
            problems.take(store::check_url(&url).map_err(|error| format!("AUTH_DATABASE_URL: {error}")))?;
            Some(SecretString::from(url))
        });
        (url.is_some() == given).then_some(url)
    }
}

impl HashArgs {
    /// The cost. Nothing when it cannot be used, which `problems` then tells.
    pub fn check(&self, problems: &mut Problems) -> Option<HashCost> {
        // argon2 asks for 8 KiB a lane; what is far below OWASP's least is for tests.
        let memory_kib =
            problems.in_range("AUTH_HASH_MEMORY_KIB", self.auth_hash_memory_kib, 8..=4 * 1024 * 1024);
        let passes = problems.in_range("AUTH_HASH_PASSES", self.auth_hash_passes, 1..=100);
        Some(HashCost { memory_kib: memory_kib?, passes: passes? })
    }
}

impl KeyArgs {
    /// The algorithm, and the keys if any are given. Nothing when they cannot be used, which
    /// `problems` then tells.
    pub fn check(self, problems: &mut Problems) -> Option<(SigningAlgorithm, Option<KeyEncryptionKeys>)> {
        // An empty one is what the sample of the settings holds: none.
        let list = self.auth_key_encryption_keys.map(|keys| keys.expose_secret().to_owned());
        let list = list.filter(|list| !list.is_empty());
        let given = list.is_some() || self.auth_key_encryption_keys_file.is_some();
        let keys = problems.secret("AUTH_KEY_ENCRYPTION_KEYS", list, self.auth_key_encryption_keys_file);
        let keys = keys.and_then(|list| {
            let keys = KeyEncryptionKeys::parse(&list);
            problems.take(keys.map_err(|error| format!("AUTH_KEY_ENCRYPTION_KEYS: {error}")))
        });
        (keys.is_some() == given).then_some((self.auth_signing_algorithm, keys))
    }
}
