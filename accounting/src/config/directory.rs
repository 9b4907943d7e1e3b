//! Whether auth is asked after users who have no account, and as whom.

use std::path::PathBuf;

use accrue_chassis::settings::Problems;
use clap::Args;
use secrecy::SecretString;
use url::Url;

use super::tokens::http_url;
use crate::directory::OnUnknownUser;

/// What is done about users who have no account.
#[derive(Debug, Args)]
#[expect(clippy::struct_field_names, reason = "clap names flags by these, beside those of other services")]
pub(super) struct DirectoryArgs {
    /// What is done about credits for a user who has no account, unless the request says so: open a
    /// placeholder; ask auth first, and open one if it has the user or cannot be asked; or refuse
    #[arg(long, env = "ACCOUNTING_UNKNOWN_USER", default_value = "placeholder", value_name = "WHAT")]
    accounting_unknown_user: OnUnknownUser,
    /// Where auth is asked after users, if not at the issuer of the tokens
    #[arg(long, env = "ACCOUNTING_AUTH_URL", value_name = "URL")]
    accounting_auth_url: Option<String>,
    /// As which client of auth: one with the scope `events:admin`
    #[arg(long, env = "ACCOUNTING_CLIENT_ID", value_name = "ID")]
    accounting_client_id: Option<String>,
    /// Its secret; better given by the environment, as others on the machine can read flags
    #[arg(long, env = "ACCOUNTING_CLIENT_SECRET", hide_env_values = true, value_name = "SECRET")]
    accounting_client_secret: Option<String>,
    /// A file that holds that secret
    #[arg(long, env = "ACCOUNTING_CLIENT_SECRET_FILE", value_name = "PATH")]
    accounting_client_secret_file: Option<PathBuf>,
}

/// Where auth is asked after users, and as whom.
#[derive(Debug, Clone)]
pub struct DirectoryConfig {
    /// Where auth is.
    pub auth: Url,
    /// The client.
    pub client_id: String,
    /// Its secret.
    pub client_secret: SecretString,
}

/// What is done about users who have no account, checked.
#[derive(Debug, Clone)]
pub(super) struct Checked {
    pub(super) on_unknown_user: OnUnknownUser,
    pub(super) directory: Option<DirectoryConfig>,
}

impl DirectoryArgs {
    /// Checks the settings; what is wrong goes to `problems`.
    pub(super) fn check(self, issuer: &str, problems: &mut Problems) -> Option<Checked> {
        let on_unknown_user = self.accounting_unknown_user;
        let (secret, file) = (self.accounting_client_secret, self.accounting_client_secret_file);
        let wants_secret = secret.is_some() || file.is_some();
        let secret = problems.secret("ACCOUNTING_CLIENT_SECRET", secret, file);
        let auth = self.accounting_auth_url.map(|text| http_url(&text)).transpose();
        let auth = problems.take(auth.map_err(|error| format!("ACCOUNTING_AUTH_URL: {error}")))?;
        let (client_id, client_secret) = match (self.accounting_client_id, secret) {
            (None, _) if !wants_secret => return Some(Checked { on_unknown_user, directory: None }),
            (Some(id), Some(secret)) => (id, SecretString::from(secret)),
            (Some(_), None) if wants_secret => return None,
            _ => {
                problems
                    .add("ACCOUNTING_CLIENT_ID and ACCOUNTING_CLIENT_SECRET go together: set both, or none");
                return None;
            }
        };
        // What is wrong with the issuer is told where it is set.
        let auth = auth.map_or_else(|| http_url(issuer).ok(), Some)?;
        let directory = Some(DirectoryConfig { auth, client_id, client_secret });
        Some(Checked { on_unknown_user, directory })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(id: Option<&str>, secret: Option<&str>, url: Option<&str>) -> (Option<Checked>, String) {
        let args = DirectoryArgs {
            accounting_unknown_user: OnUnknownUser::Verify,
            accounting_auth_url: url.map(ToOwned::to_owned),
            accounting_client_id: id.map(ToOwned::to_owned),
            accounting_client_secret: secret.map(ToOwned::to_owned),
            accounting_client_secret_file: None,
        };
        let mut problems = Problems::new();
        let checked = args.check("https://auth.example.com/", &mut problems);
        (checked, problems.finish().map_or_else(|told| told.to_string(), |()| String::new()))
    }

    #[test]
    fn a_client_and_its_secret_go_together() {
        let (checked, told) = check(None, None, None);
        assert!(checked.expect("fine").directory.is_none() && told.is_empty());
        let (checked, _) = check(Some("shop"), Some("s"), None);
        let directory = checked.and_then(|checked| checked.directory).expect("fine");
        assert_eq!(directory.auth.as_str(), "https://auth.example.com/");
        assert!(!format!("{directory:?}").contains("\"s\""));
        let (checked, _) = check(Some("shop"), Some("s"), Some("http://auth:8001"));
        assert_eq!(checked.and_then(|one| one.directory).expect("fine").auth.as_str(), "http://auth:8001/");
        for (id, secret) in [(Some("shop"), None), (None, Some("s"))] {
            let (checked, told) = check(id, secret, None);
            assert!(checked.is_none() && told.contains("go together"), "{told}");
        }
        assert!(check(None, None, Some("ftp://auth")).1.contains("ACCOUNTING_AUTH_URL"));
    }
}
