//! Mail over SMTP, a connection a message.

use std::time::Duration;

use async_trait::async_trait;
use lettre::transport::smtp::Error;
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::timeout;
use url::{Host, Url};
use uuid::Uuid;

use super::{SendError, Transport};

/// Each step of the dialogue is given up after this time.
const STEP_LIMIT: Duration = Duration::from_secs(15);
/// The whole of it after this one.
const LIMIT: Duration = Duration::from_secs(30);

/// Sends over SMTP.
#[derive(Clone)]
pub struct SmtpTransport(AsyncSmtpTransport<Tokio1Executor>);

impl SmtpTransport {
    /// To the server at `url`, `smtp://user:password@host:port` or `smtps://…`. Over
    /// `smtp://` it insists on STARTTLS, but for a server on this machine; `?tls=none`
    /// and `?tls=opportunistic` say otherwise.
    ///
    /// # Errors
    /// What is wrong with the URL, without quoting it.
    pub fn new(url: &SecretString) -> Result<Self, String> {
        let usable = "give smtp://user:password@host:port or smtps://user:password@host:port";
        let mut url = Url::parse(url.expose_secret()).map_err(|_| usable.to_owned())?;
        if !matches!(url.scheme(), "smtp" | "smtps") || url.host().is_none() {
            return Err(usable.to_owned());
        }
        let given = url.query_pairs().find(|(name, _)| name == "tls").map(|(_, value)| value.into_owned());
        let tls = match given.as_deref() {
            Some("none") => None,
            Some(tls) => Some(tls.to_owned()),
            None => (url.scheme() == "smtp" && !is_this_machine(&url)).then(|| "required".to_owned()),
        };
        url.set_query(tls.map(|tls| format!("tls={tls}")).as_deref());
        let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(url.as_str());
        let builder = builder.map_err(|_| usable.to_owned())?;
        Ok(Self(builder.timeout(Some(STEP_LIMIT)).build()))
    }
}

fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        // The host of a scheme that the URL standard does not know is not parsed further.
        Some(Host::Domain(name)) => {
            name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
        }
        None => false,
    }
}

#[async_trait]
impl Transport for SmtpTransport {
    async fn send(&self, _: Uuid, message: Message) -> Result<(), SendError> {
        match timeout(LIMIT, self.0.send(message)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(told(&error)),
            Err(_) => Err(SendError::Unavailable("the mail server did not answer in time")),
        }
    }
}

/// The error without the server's own words: they may quote the recipient.
fn told(error: &Error) -> SendError {
    let code = error.status().map(u16::from);
    match code {
        // RFC 5321 and RFC 4954: no service at all, or none for us as we are.
        Some(421 | 454 | 530 | 534 | 535 | 538) => {
            SendError::Unavailable("the mail server gives no service, or does not take the credentials")
        }
        Some(code) => SendError::Refused(code),
        None if error.is_timeout() => SendError::Unavailable("the mail server did not answer in time"),
        None if error.is_tls() => SendError::Unavailable("no TLS connection with the mail server"),
        None if error.is_client() => SendError::Unavailable("the mail server lacks what we need of it"),
        None => SendError::Unavailable("no connection with the mail server"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_urls_of_mail_servers_are_taken_and_none_is_quoted() {
        for url in [
            "smtp://127.0.0.1:2525",
            "smtp://mail.example.com",
            "smtps://ada:hunter2@mail.example.com:465",
            "smtp://mail.example.com?tls=opportunistic",
            "smtp://mail.example.com?tls=none&from=x@example.com",
        ] {
            assert!(SmtpTransport::new(&url.to_owned().into()).is_ok(), "{url}");
        }
        for url in ["", "mail.example.com", "http://ada:hunter2@x", "smtp://", "smtp://h?tls=maybe"] {
            let told = SmtpTransport::new(&url.to_owned().into()).err().expect("no transport");
            assert!(!told.contains("hunter2"), "{told}");
        }
    }
}
