//! How many tries each limit admits, and the settings that say so.

use std::fmt;
use std::str::FromStr;

use accrue_chassis::settings::Problems;

use super::Limit;

/// So many within such a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Tries that are admitted.
    pub count: u32,
    /// Within so many seconds.
    pub window_s: u32,
}

/// The text is no rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("give a rate such as 10/900: tries from 1 to 1000000000, and seconds from 1 to 86400")]
pub struct InvalidRate;

impl FromStr for Rate {
    type Err = InvalidRate;

    fn from_str(text: &str) -> Result<Self, InvalidRate> {
        let (count, window_s) = text.trim().split_once('/').ok_or(InvalidRate)?;
        let rate = Self {
            count: count.parse().map_err(|_| InvalidRate)?,
            window_s: window_s.parse().map_err(|_| InvalidRate)?,
        };
        let is_usable = (1..=1_000_000_000).contains(&rate.count) && (1..=86_400).contains(&rate.window_s);
        is_usable.then_some(rate).ok_or(InvalidRate)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.count, self.window_s)
    }
}

/// The rate of each limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rates {
    /// [`Limit::LoginByAccount`]
    pub login_by_account: Rate,
    /// [`Limit::LoginByPeer`]
    pub login_by_peer: Rate,
    /// [`Limit::SignUpByPeer`]
    pub sign_up_by_peer: Rate,
    /// [`Limit::MailByAddress`]
    pub mail_by_address: Rate,
    /// [`Limit::ResetByPeer`]
    pub reset_by_peer: Rate,
    /// [`Limit::TicketByPeer`]
    pub ticket_by_peer: Rate,
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            login_by_account: Rate { count: 10, window_s: 900 },
            login_by_peer: Rate { count: 100, window_s: 900 },
            // A school or a mobile network shares one address: a flood is far beyond this.
            sign_up_by_peer: Rate { count: 3_000, window_s: 3_600 },
            mail_by_address: Rate { count: 5, window_s: 3_600 },
            reset_by_peer: Rate { count: 20, window_s: 3_600 },
            ticket_by_peer: Rate { count: 100, window_s: 900 },
        }
    }
}

impl Rates {
    /// One rate for every limit.
    #[must_use]
    pub fn all(rate: Rate) -> Self {
        Self {
            login_by_account: rate,
            login_by_peer: rate,
            sign_up_by_peer: rate,
            mail_by_address: rate,
            reset_by_peer: rate,
            ticket_by_peer: rate,
        }
    }

    /// The rate of one limit.
    #[must_use]
    pub fn of(&self, limit: Limit) -> Rate {
        match limit {
            Limit::LoginByAccount => self.login_by_account,
            Limit::LoginByPeer => self.login_by_peer,
            Limit::SignUpByPeer => self.sign_up_by_peer,
            Limit::MailByAddress => self.mail_by_address,
            Limit::ResetByPeer => self.reset_by_peer,
            Limit::TicketByPeer => self.ticket_by_peer,
        }
    }
}

/// The settings of the limits.
#[derive(Debug, Clone, clap::Args)]
#[expect(clippy::struct_field_names, reason = "clap names flags by these, beside those of other services")]
pub struct LimitArgs {
    /// Tries to sign in as one user: how many (1 to 1000000000), in how many seconds (1 to 86400)
    #[arg(long, env = "AUTH_LIMIT_LOGIN_BY_ACCOUNT", value_name = "N/SECONDS", default_value = "10/900")]
    auth_limit_login_by_account: String,

    /// Tries to sign in from one address
    #[arg(long, env = "AUTH_LIMIT_LOGIN_BY_PEER", value_name = "N/SECONDS", default_value = "100/900")]
    auth_limit_login_by_peer: String,

    /// Sign-ups from one address
    #[arg(long, env = "AUTH_LIMIT_SIGN_UP_BY_PEER", value_name = "N/SECONDS", default_value = "3000/3600")]
    auth_limit_sign_up_by_peer: String,

    /// Mails to one email address
    #[arg(long, env = "AUTH_LIMIT_MAIL_BY_ADDRESS", value_name = "N/SECONDS", default_value = "5/3600")]
    auth_limit_mail_by_address: String,

    /// Requests for mail from one address
    #[arg(long, env = "AUTH_LIMIT_RESET_BY_PEER", value_name = "N/SECONDS", default_value = "20/3600")]
    auth_limit_reset_by_peer: String,

    /// Tries to use a token out of a mail, from one address
    #[arg(long, env = "AUTH_LIMIT_TICKET_BY_PEER", value_name = "N/SECONDS", default_value = "100/900")]
    auth_limit_ticket_by_peer: String,
}

impl LimitArgs {
    /// Checks the settings. Nothing when something is wrong with them.
    pub fn check(self, problems: &mut Problems) -> Option<Rates> {
        let mut rate = |name: &str, text: String| {
            problems.take(text.parse::<Rate>().map_err(|error| format!("{name}: {error}")))
        };
        let login_by_account = rate("AUTH_LIMIT_LOGIN_BY_ACCOUNT", self.auth_limit_login_by_account);
        let login_by_peer = rate("AUTH_LIMIT_LOGIN_BY_PEER", self.auth_limit_login_by_peer);
        let sign_up_by_peer = rate("AUTH_LIMIT_SIGN_UP_BY_PEER", self.auth_limit_sign_up_by_peer);
        let mail_by_address = rate("AUTH_LIMIT_MAIL_BY_ADDRESS", self.auth_limit_mail_by_address);
        let reset_by_peer = rate("AUTH_LIMIT_RESET_BY_PEER", self.auth_limit_reset_by_peer);
        let ticket_by_peer = rate("AUTH_LIMIT_TICKET_BY_PEER", self.auth_limit_ticket_by_peer);
        Some(Rates {
            login_by_account: login_by_account?,
            login_by_peer: login_by_peer?,
            sign_up_by_peer: sign_up_by_peer?,
            mail_by_address: mail_by_address?,
            reset_by_peer: reset_by_peer?,
            ticket_by_peer: ticket_by_peer?,
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        limits: LimitArgs,
    }

    fn check(flags: &[&str]) -> Result<Rates, String> {
        let cli = Cli::try_parse_from([&["auth"], flags].concat()).map_err(|error| error.to_string())?;
        let mut problems = Problems::new();
        let rates = cli.limits.check(&mut problems);
        problems.finish().map_err(|error| error.to_string())?;
        rates.ok_or_else(|| "nothing, and no problem told".to_owned())
    }

    #[test]
    fn the_flags_have_the_defaults_of_the_code() {
        assert_eq!(check(&[]), Ok(Rates::default()));
    }

    #[test]
    fn takes_a_count_and_seconds_only() {
        assert_eq!("3/60".parse(), Ok(Rate { count: 3, window_s: 60 }));
        for text in ["", "3", "3/", "/60", "0/60", "3/0", "3/86401", "-3/60", "3/60/60", "x/y"] {
            assert_eq!(text.parse::<Rate>(), Err(InvalidRate), "{text:?}");
        }
        let told = check(&["--auth-limit-login-by-peer=lots", "--auth-limit-sign-up-by-peer=0/1"]);
        let told = told.expect_err("two problems");
        assert!(told.contains("AUTH_LIMIT_LOGIN_BY_PEER") && told.contains("AUTH_LIMIT_SIGN_UP_BY_PEER"));
    }
}
