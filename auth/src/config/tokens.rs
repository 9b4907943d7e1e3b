//! The settings of tokens and of the keys that sign them.

use accrue_chassis::settings::Problems;
use time::Duration;
use url::Url;

use super::KeyArgs;
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

    /// How long an access token is good, in seconds (10 to 900)
    #[arg(long, env = "AUTH_ACCESS_TOKEN_SECONDS", value_name = "SECONDS", default_value_t = DEFAULT_ACCESS_TOKEN_S)]
    auth_access_token_seconds: u32,

    /// How long a session lasts that is not refreshed, in days (1 to 365)
    #[arg(long, env = "AUTH_REFRESH_TOKEN_DAYS", value_name = "DAYS", default_value_t = DEFAULT_REFRESH_TOKEN_DAYS)]
    auth_refresh_token_days: u16,

    /// How long a signing key signs, in days (1 to 365)
    #[arg(long, env = "AUTH_KEY_ROTATION_DAYS", value_name = "DAYS", default_value_t = DEFAULT_ROTATION_DAYS)]
    auth_key_rotation_days: u16,

    #[command(flatten)]
    auth_keys: KeyArgs,
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
        let keys = self.auth_keys.check(problems);
        let (algorithm, key_encryption_keys) = keys?;
        Some(TokenConfig {
            issuer: issuer?,
            audience: self.auth_audience,
            access_token_s: access_token_s?,
            refresh_token: Duration::days(refresh_days?.into()),
            algorithm,
            key_rotation: Duration::days(rotation_days?.into()),
            key_encryption_keys,
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

#[cfg(test)]
mod tests {
    use clap::Parser;
    use secrecy::ExposeSecret as _;

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        tokens: TokenArgs,
    }

    fn check(flags: &[&str]) -> Result<TokenConfig, String> {
        let cli = Cli::try_parse_from([&["auth"], flags].concat()).map_err(|error| error.to_string())?;
        let mut problems = Problems::new();
        let config = cli.tokens.check(&mut problems);
        problems.finish().map_err(|error| error.to_string())?;
        config.ok_or_else(|| "nothing, and no problem told".to_owned())
    }

    #[test]
    fn what_is_not_set_is_as_in_the_defaults() {
        let (config, defaults) = (check(&[]).expect("defaults"), TokenConfig::default());
        assert_eq!((config.access_token_s, config.refresh_token), (900, Duration::days(30)));
        assert_eq!((config.algorithm, config.key_rotation), (defaults.algorithm, defaults.key_rotation));
        assert_eq!((config.issuer, config.audience), (None, defaults.audience));
        assert!(config.key_encryption_keys.is_none());
        let empty = check(&["--auth-key-encryption-keys="]).expect("none");
        assert!(empty.key_encryption_keys.is_none());
    }

    #[test]
    fn an_issuer_has_one_form() {
        for (url, name) in [
            ("https://Auth.Example.com/", "https://auth.example.com"),
            ("https://example.com/auth/", "https://example.com/auth"),
        ] {
            let config = check(&["--auth-issuer", url]).expect("an issuer");
            assert_eq!(config.issuer.as_deref(), Some(name));
        }
        for url in ["ftp://example.com", "https://u:p@example.com", "https://example.com?x", "https://x.y#z"]
        {
            assert!(check(&["--auth-issuer", url]).expect_err("no issuer").contains("AUTH_ISSUER"), "{url}");
        }
    }

    #[test]
    fn every_problem_is_told_and_no_key() {
        let told = check(&[
            "--auth-access-token-seconds=901",
            "--auth-refresh-token-days=0",
            "--auth-key-rotation-days=366",
            "--auth-audience=",
            "--auth-key-encryption-keys=hunter2",
        ])
        .expect_err("five problems");
        for name in ["ACCESS_TOKEN_SECONDS", "REFRESH_TOKEN_DAYS", "ROTATION_DAYS", "AUDIENCE", "KEYS"] {
            assert!(told.contains(name), "{name} is missing in {told}");
        }
        assert!(!told.contains("hunter2"), "{told}");
        assert!(check(&["--auth-signing-algorithm=HS256"]).is_err());
    }

    #[test]
    fn keys_are_read_and_not_shown() {
        let key = KeyEncryptionKeys::generate();
        let flag = format!("--auth-key-encryption-keys={}", key.expose_secret());
        let cli = Cli::try_parse_from(["auth", &flag]).expect("flags");
        assert!(!format!("{cli:?}").contains(key.expose_secret()));
        let config = check(&[&flag, "--auth-signing-algorithm=EdDSA"]).expect("keys");
        assert_eq!(config.algorithm, SigningAlgorithm::EdDsa);
        assert!(config.key_encryption_keys.is_some());
        assert!(!format!("{config:?}").contains(key.expose_secret()));
    }
}
