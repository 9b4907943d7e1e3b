//! The settings of mail.

use std::path::PathBuf;

use accrue_chassis::settings::Problems;
use lettre::message::Mailbox;
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::transport::SmtpTransport;

/// The flags, to be flattened into those of auth.
#[derive(Debug, Clone, clap::Args)]
#[expect(clippy::struct_field_names, reason = "clap names flags by these, beside those of other services")]
pub struct MailArgs {
    /// The mail server: `smtp://user:password@host:port` or `smtps://…`, with `?from=` if
    /// there is no `AUTH_MAIL_FROM`. Over smtp:// STARTTLS is required, unless the server
    /// is this machine or `?tls=none` says so
    #[arg(long, env = "AUTH_SMTP_URL", value_name = "URL", hide_env_values = true,
          value_parser = crate::config::secret)]
    auth_smtp_url: Option<SecretString>,

    /// A file that holds that URL
    #[arg(long, env = "AUTH_SMTP_URL_FILE", value_name = "PATH")]
    auth_smtp_url_file: Option<PathBuf>,

    /// Whom mail is from: an address, or `Name <address>`
    #[arg(long, env = "AUTH_MAIL_FROM", value_name = "ADDRESS")]
    auth_mail_from: Option<String>,

    /// Without a mail server: the directory that mail is written to
    #[arg(long, env = "AUTH_MAIL_DIRECTORY", value_name = "PATH")]
    auth_mail_directory: Option<PathBuf>,

    /// What links in mail begin with, by default `AUTH_ISSUER`: there a page takes the token
    /// after `#` and sends it on
    #[arg(long, env = "AUTH_PUBLIC_URL", value_name = "URL")]
    auth_public_url: Option<Url>,

    /// Let in only those who have shown that their address is theirs
    #[arg(long, env = "AUTH_REQUIRE_VERIFIED_EMAIL", value_name = "BOOL", default_value_t = false,
          num_args = 0..=1, default_missing_value = "true", action = clap::ArgAction::Set,
          value_parser = clap::builder::BoolishValueParser::new())]
    auth_require_verified_email: bool,
}

/// Where mail goes.
#[derive(Debug, Clone)]
pub enum Delivery {
    /// To the mail server at this URL.
    Smtp(SecretString),
    /// Into this directory.
    Directory(PathBuf),
}

/// How mail is sent.
#[derive(Debug, Clone)]
pub struct MailConfig {
    /// Where it goes; without, none is written.
    pub delivery: Option<Delivery>,
    /// Whom it is from.
    pub from: String,
    /// What links begin with; none where they lead to the issuer.
    pub public_url: Option<String>,
    /// Whether only those may sign in who have shown that their address is theirs.
    pub require_verified_email: bool,
}

impl Default for MailConfig {
    fn default() -> Self {
        Self {
            delivery: None,
            from: "Accrue <accrue@localhost>".to_owned(),
            public_url: None,
            require_verified_email: false,
        }
    }
}

impl MailArgs {
    /// Checks the settings together. Nothing when something is wrong with them.
    pub fn check(self, problems: &mut Problems) -> Option<MailConfig> {
        let given = self.auth_smtp_url.is_some() || self.auth_smtp_url_file.is_some();
        let url = self.auth_smtp_url.map(|url| url.expose_secret().to_owned());
        let url = problems.secret("AUTH_SMTP_URL", url, self.auth_smtp_url_file);
        let from = self.auth_mail_from.or_else(|| url.as_deref().and_then(from_of));
        let url = url.and_then(|url| {
            let url = SecretString::from(url);
            problems.take(SmtpTransport::new(&url).map_err(|error| format!("AUTH_SMTP_URL: {error}")))?;
            Some(url)
        });
        if given && from.is_none() {
            problems.add("AUTH_MAIL_FROM is not set: whom is mail from?");
        }
        let from = from.unwrap_or_else(|| MailConfig::default().from);
        if from.parse::<Mailbox>().is_err() {
            problems.add("AUTH_MAIL_FROM: give an address, or a name and an address as `Name <address>`");
        }
        if given && self.auth_mail_directory.is_some() {
            problems.add("AUTH_SMTP_URL and AUTH_MAIL_DIRECTORY are both set; keep one");
        }
        let url_is_usable = url.is_some() == given;
        let smtp = url_is_usable.then_some(url)?;
        Some(MailConfig {
            delivery: smtp.map(Delivery::Smtp).or(self.auth_mail_directory.map(Delivery::Directory)),
            from,
            public_url: self.auth_public_url.map(String::from),
            require_verified_email: self.auth_require_verified_email,
        })
    }
}

fn from_of(url: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    url.query_pairs().find(|(name, _)| name == "from").map(|(_, from)| from.into_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        mail: MailArgs,
    }

    fn check(flags: &[&str]) -> Result<MailConfig, String> {
        let cli = Cli::try_parse_from([&["auth"], flags].concat()).map_err(|error| error.to_string())?;
        let mut problems = Problems::new();
        let config = cli.mail.check(&mut problems);
        problems.finish().map_err(|error| error.to_string())?;
        config.ok_or_else(|| "nothing, and no problem told".to_owned())
    }

    #[test]
    fn mail_goes_to_one_place() {
        assert!(check(&[]).expect("defaults").delivery.is_none());
        let smtp = "--auth-smtp-url=smtp://u:hunter2@mail.example.com:587?from=accrue@example.com";
        let config = check(&[smtp]).expect("a mail server");
        assert_eq!(config.from, "accrue@example.com");
        assert!(matches!(config.delivery, Some(Delivery::Smtp(_))));
        assert!(!format!("{config:?}").contains("hunter2"));
        let config =
            check(&["--auth-mail-directory=/x", "--auth-require-verified-email"]).expect("a directory");
        assert!(config.require_verified_email && matches!(config.delivery, Some(Delivery::Directory(_))));
        let told = check(&["--auth-mail-directory=/x", smtp]).expect_err("two places");
        assert!(told.contains("AUTH_MAIL_DIRECTORY") && !told.contains("hunter2"), "{told}");
    }

    #[test]
    fn a_mail_server_needs_a_sender() {
        let told = check(&["--auth-smtp-url=smtp://mail.example.com"]).expect_err("no sender");
        assert!(told.contains("AUTH_MAIL_FROM"), "{told}");
        let told = check(&["--auth-mail-from=nobody"]).expect_err("no address");
        assert!(told.contains("AUTH_MAIL_FROM"), "{told}");
    }
}
