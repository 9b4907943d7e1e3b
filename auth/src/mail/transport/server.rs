//! The mail server of a URL, and opening a session with it.

use std::time::Duration;

use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::{Error, SMTP_PORT, SUBMISSION_PORT, SUBMISSIONS_PORT};
use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret as _, SecretString};
use url::{Host, Url};

const USABLE: &str = "give smtp://user:password@host:port or smtps://user:password@host:port";

/// Where the server is and how it is spoken to.
#[derive(Clone)]
pub(super) struct MailServer {
    host: String,
    port: u16,
    tls: Tls,
    hello: ClientId,
    credentials: Option<Credentials>,
}

impl MailServer {
    /// The server at `url`; a path in it is the name that we greet it with.
    ///
    /// # Errors
    /// What is wrong with the URL, without quoting it.
    pub(super) fn parse(url: &SecretString) -> Result<Self, String> {
        read(url.expose_secret()).ok_or_else(|| USABLE.to_owned())
    }

    /// Connects, encrypts and signs in; nothing is said of any mail.
    pub(super) async fn open(&self, connect_limit: Duration) -> Result<AsyncSmtpConnection, Error> {
        let at_once = match &self.tls {
            Tls::Wrapper(parameters) => Some(parameters.clone()),
            _ => None,
        };
        let address = (self.host.as_str(), self.port);
        let limit = Some(connect_limit);
        let mut session =
            AsyncSmtpConnection::connect_tokio1(address, limit, &self.hello, at_once, None).await?;
        match &self.tls {
            Tls::Required(parameters) => session.starttls(parameters.clone(), &self.hello).await?,
            Tls::Opportunistic(parameters) if session.can_starttls() => {
                session.starttls(parameters.clone(), &self.hello).await?;
            }
            _ => {}
        }
        if let Some(credentials) = &self.credentials {
            session.auth(DEFAULT_MECHANISMS, credentials).await?;
        }
        Ok(session)
    }
}

fn read(url: &str) -> Option<MailServer> {
    let url = Url::parse(url).ok()?;
    let host = host(&url)?;
    let encrypted = || TlsParameters::new(host.clone()).ok();
    let said = url.query_pairs().find(|(name, _)| name == "tls").map(|(_, value)| value.into_owned());
    let (usual_port, tls) = match (url.scheme(), said.as_deref()) {
        ("smtps", _) => (SUBMISSIONS_PORT, Tls::Wrapper(encrypted()?)),
        ("smtp", Some("none")) => (SMTP_PORT, Tls::None),
        ("smtp", None) if is_this_machine(&host) => (SMTP_PORT, Tls::None),
        ("smtp", None | Some("required")) => (SUBMISSION_PORT, Tls::Required(encrypted()?)),
        ("smtp", Some("opportunistic")) => (SUBMISSION_PORT, Tls::Opportunistic(encrypted()?)),
        _ => return None,
    };
    let name = url.path().trim_matches('/');
    let hello = if name.is_empty() { ClientId::default() } else { ClientId::Domain(name.to_owned()) };
    let credentials = match url.password() {
        Some(password) => Some(Credentials::new(decoded(url.username())?, decoded(password)?)),
        None => None,
    };
    Some(MailServer { port: url.port().unwrap_or(usual_port), host, tls, hello, credentials })
}

/// Without the brackets of an IPv6 address.
fn host(url: &Url) -> Option<String> {
    match url.host()? {
        Host::Domain(name) => Some(name.to_owned()),
        Host::Ipv4(address) => Some(address.to_string()),
        Host::Ipv6(address) => Some(address.to_string()),
    }
}

fn is_this_machine(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn decoded(text: &str) -> Option<String> {
    percent_decode_str(text).decode_utf8().ok().map(Into::into)
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
            assert!(MailServer::parse(&url.to_owned().into()).is_ok(), "{url}");
        }
        for url in ["", "mail.example.com", "http://ada:hunter2@x", "smtp://", "smtp://h?tls=maybe"] {
            let told = MailServer::parse(&url.to_owned().into()).err().expect("no server");
            assert!(!told.contains("hunter2"), "{told}");
        }
    }

    #[test]
    fn a_server_elsewhere_is_spoken_to_encrypted_unless_the_url_says_otherwise() {
        let read = |url: &str| read(url).expect("a server");
        for (url, port) in [("smtp://localhost", 25), ("smtp://[::1]", 25), ("smtp://h?tls=none", 25)] {
            let server = read(url);
            assert!(matches!(server.tls, Tls::None) && server.port == port, "{url}");
        }
        assert!(matches!(read("smtp://h").tls, Tls::Required(_)));
        assert!(matches!(read("smtp://127.0.0.1?tls=required").tls, Tls::Required(_)));
        assert!(matches!(read("smtp://h?tls=opportunistic").tls, Tls::Opportunistic(_)));
        assert!(matches!(read("smtps://h").tls, Tls::Wrapper(_)));
        assert_eq!((read("smtp://h").port, read("smtps://h").port, read("smtp://h:26").port), (587, 465, 26));
        assert_eq!(read("smtp://[::1]").host, "::1");
    }

    #[test]
    fn credentials_are_decoded() {
        let server = read("smtp://ada%40example.com:p%2Fw+x@localhost/mail.example.com").expect("a server");
        let expected = Credentials::new("ada@example.com".to_owned(), "p/w+x".to_owned());
        assert!(server.credentials == Some(expected));
        assert_eq!(server.hello, ClientId::Domain("mail.example.com".to_owned()));
    }
}
