//! The settings of tokens and of the keys that sign them.

use std::path::PathBuf;

use accrue_chassis::settings::Problems;
use secrecy::{ExposeSecret as _, SecretString};
use time::Duration;
use url::Url;

use super::secret;
use crate::sealing::KeyEncryptionKeys;
use crate::tokens::SigningAlgorithm;

const DEFAULT_AUDIENCE: &str = "accrue";
const DEFAULT_ACCESS_TOKEN_S: u32 = 900;
const DEFAULT_REFRESH_TOKEN_DAYS: u16 = 30;
const DEFAULT_ROTATION_DAYS: u16 = 30;

/// The flags, to be flattened into those of auth.
#[derive(Debug, Clone, clap::Args)]
#[expect(clippy::struct_field_names, reason = "clap names flags by these, beside those of other services")]
pub struct TokenArgs {
    /// auth's public URL, which its tokens name; by default `http://` and where it listens
    #[arg(long, env = "AUTH_ISSUER", value_name = "URL")]
    auth_issuer: Option<Url>,

    /// Whom the access tokens are for
    #[arg(long, env = "AUTH_AUDIENCE", value_name = "NAME", default_value = DEFAULT_AUDIENCE)]
    auth_audience: String,

    /// How long an access token is good, in seconds
    #[arg(long, env = "AUTH_ACCESS_TOKEN_SECONDS", value_name = "SECONDS", default_value_t = DEFAULT_ACCESS_TOKEN_S)]
    auth_access_token_seconds: u32,

    /// How long a session lasts that is not refreshed, in days
    #[arg(long, env = "AUTH_REFRESH_TOKEN_DAYS", value_name = "DAYS", default_value_t = DEFAULT_REFRESH_TOKEN_DAYS)]
    auth_refresh_token_days: u16,

    /// What access tokens are signed with; another one takes effect at the next key
    #[arg(long, env = "AUTH_SIGNING_ALGORITHM", value_name = "NAME", default_value = "ES256")]
    auth_signing_algorithm: SigningAlgorithm,

    /// How long a signing key signs, in days
    #[arg(long, env = "AUTH_KEY_ROTATION_DAYS", value_name = "DAYS", default_value_t = DEFAULT_ROTATION_DAYS)]
    auth_key_rotation_days: u16,

    /// What signing keys and mail are encrypted under in the database: keys of 32 bytes
    /// in base64, newest first, with commas between
    #[arg(long, env = "AUTH_KEY_ENCRYPTION_KEYS", value_name = "KEYS", hide_env_values = true, value_parser = secret)]
    auth_key_encryption_keys: Option<SecretString>,

    /// A file that holds these
    #[arg(long, env = "AUTH_KEY_ENCRYPTION_KEYS_FILE", value_name = "PATH")]
    auth_key_encryption_keys_file: Option<PathBuf>,
}

/// How tokens are made.
#[derive(Debug, Clone)]
pub struct TokenConfig {
    /// What auth calls itself; none where it is to be known by where it listens.
    pub issuer: Option<String>,
    /// Whom access tokens are for.
    pub audience: String,
    /// How long an access token is good, in seconds; at most 900.
    pub access_token_s: u32,
    /// How long a session lasts that is not refreshed.
    pub refresh_token: Duration,
    /// What new signing keys sign with.
    pub algorithm: SigningAlgorithm,
    /// How long a signing key signs.
    pub key_rotation: Duration,
    /// What is encrypted in the store is encrypted under these; none where the command
    /// supplies its own.
    pub key_encryption_keys: Option<KeyEncryptionKeys>,
}

impl Default for TokenConfig {
    fn default() -> Self {
        Self {
            issuer: None,
            audience: DEFAULT_AUDIENCE.to_owned(),
            access_token_s: DEFAULT_ACCESS_TOKEN_S,
            refresh_token: Duration::days(DEFAULT_REFRESH_TOKEN_DAYS.into()),
            algorithm: SigningAlgorithm::Es256,
            key_rotation: Duration::days(DEFAULT_ROTATION_DAYS.into()),
            key_encryption_keys: None,
        }
    }
}

impl TokenArgs {
    /// Checks the settings together; see [`super::AuthArgs::check`].
    pub(super) fn check(self, problems: &mut Problems) -> Option<TokenConfig> {
        let issuer = self.auth_issuer.map(|url| issuer(&url)).transpose();
        let issuer = problems.take(issuer);
        if self.auth_audience.is_empty() {
            problems.add("AUTH_AUDIENCE: give a name");
        }
        let access_token_s =
            problems.in_range("AUTH_ACCESS_TOKEN_SECONDS", self.auth_access_token_seconds, 10..=900);
        let refresh_days =
            problems.in_range("AUTH_REFRESH_TOKEN_DAYS", self.auth_refresh_token_days, 1..=365);
        let rotation_days = problems.in_range("AUTH_KEY_ROTATION_DAYS", self.auth_key_rotation_days, 1..=365);
        let given = self.auth_key_encryption_keys.is_some() || self.auth_key_encryption_keys_file.is_some();
        let list = self.auth_key_encryption_keys.map(|keys| keys.expose_secret().to_owned());
        let keys = problems.secret("AUTH_KEY_ENCRYPTION_KEYS", list, self.auth_key_encryption_keys_file);
        let keys = keys.and_then(|list| {
            let keys = KeyEncryptionKeys::parse(&list);
            problems.take(keys.map_err(|error| format!("AUTH_KEY_ENCRYPTION_KEYS: {error}")))
        });
        let keys_are_usable = keys.is_some() == given;
        Some(TokenConfig {
            issuer: issuer?,
            audience: self.auth_audience,
            access_token_s: access_token_s?,
            refresh_token: Duration::days(refresh_days?.into()),
            algorithm: self.auth_signing_algorithm,
            key_rotation: Duration::days(rotation_days?.into()),
            key_encryption_keys: keys_are_usable.then_some(keys)?,
        })
    }
}

/// The issuer's name: compared letter by letter, so it has one form, without a slash
/// at its end. RFC 8414 allows neither query nor fragment.
fn issuer(url: &Url) -> Result<String, String> {
    let is_usable =
        matches!(url.scheme(), "http" | "https") && url.query().is_none() && url.fragment().is_none();
    if is_usable && url.username().is_empty() && url.password().is_none() {
        Ok(url.as_str().trim_end_matches('/').to_owned())
    } else {
        Err("AUTH_ISSUER: give an http(s) URL without user, query and fragment".to_owned())
    }
}
