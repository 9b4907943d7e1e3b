//! Mail over SMTP, a connection a message.

use std::time::Duration;

use async_trait::async_trait;
use lettre::Message;
use lettre::address::Envelope;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::client::AsyncSmtpConnection;
use secrecy::SecretString;
use tokio::time::timeout;
use uuid::Uuid;

use super::server::MailServer;
use super::{SendError, Transport};

/// How long a session may take to open: connection, greeting, TLS and credentials.
const OPEN_LIMIT: Duration = Duration::from_secs(15);
/// How long one mail may take in it, until the server has taken it.
const MAIL_LIMIT: Duration = Duration::from_secs(30);
/// How long the server may take to say goodbye. The mail is its own by then.
const QUIT_LIMIT: Duration = Duration::from_secs(1);

/// Sends over SMTP.
#[derive(Clone)]
pub struct SmtpTransport {
    server: MailServer,
    mail_limit: Duration,
}

impl SmtpTransport {
    /// To the server at `url`, `smtp://user:password@host:port` or `smtps://…`. Over
    /// `smtp://` it insists on STARTTLS, but for a server on this machine; `?tls=none`
    /// and `?tls=opportunistic` say otherwise.
    ///
    /// # Errors
    /// What is wrong with the URL, without quoting it.
    pub fn new(url: &SecretString) -> Result<Self, String> {
        Ok(Self { server: MailServer::parse(url)?, mail_limit: MAIL_LIMIT })
    }

    /// The same, but breaking off over a mail that takes longer than this; 30 s otherwise.
    #[must_use]
    pub fn with_mail_limit(self, mail_limit: Duration) -> Self {
        Self { mail_limit, ..self }
    }

    /// Until here the server knows nothing of any mail, so whatever goes wrong is the
    /// fault of none: an answer of 554 to the connection is no refusal of a mail.
    async fn open(&self) -> Result<AsyncSmtpConnection, SendError> {
        match timeout(OPEN_LIMIT, self.server.open(OPEN_LIMIT)).await {
            Ok(opened) => opened.map_err(|error| not_open(&error)),
            Err(_) => Err(SendError::Unavailable("the mail server did not answer in time")),
        }
    }
}

#[async_trait]
impl Transport for SmtpTransport {
    async fn send(&self, _: Uuid, message: Message) -> Result<(), SendError> {
        let mut session = self.open().await?;
        let bytes = message.formatted();
        let sent = match timeout(self.mail_limit, session.send(message.envelope(), &bytes)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(not_taken(&error, message.envelope())),
            Err(_) => return Err(SendError::BrokenOff("the mail server did not answer in time")),
        };
        // However it ends: what it took it has, and a mail that is sent again comes twice.
        if !session.has_broken() {
            let _ = timeout(QUIT_LIMIT, session.quit()).await;
        }
        sent
    }
}

/// Why there is no session, without the server's own words.
fn not_open(error: &Error) -> SendError {
    SendError::Unavailable(match error.status().map(u16::from) {
        // RFC 4954 and RFC 3207.
        Some(454 | 530 | 534 | 535 | 538) => "the mail server does not take the credentials",
        Some(_) => "the mail server gives no service",
        None if error.is_timeout() => "the mail server did not answer in time",
        None if error.is_tls() => "no TLS connection with the mail server",
        None if error.is_client() => "the mail server lacks STARTTLS, or a way to sign in that we know",
        None => "no connection with the mail server",
    })
}

/// Why a mail was not taken in a session that was open, without the server's own
/// words: they may quote the recipient.
fn not_taken(error: &Error, envelope: &Envelope) -> SendError {
    match error.status().map(u16::from) {
        // RFC 5321, RFC 4954 and RFC 3207: the server closes, or asks for other
        // credentials. Some say it for certain recipients alone.
        Some(421 | 454 | 530 | 534 | 535 | 538) => {
            SendError::BrokenOff("the mail server gave no more service")
        }
        Some(code) => SendError::Refused(code),
        // RFC 6531 and RFC 6152: said by our side, before the server heard of the mail.
        None if error.is_client() => {
            let sender_is_ascii = envelope.from().is_none_or(|from| AsRef::<str>::as_ref(from).is_ascii());
            if sender_is_ascii {
                SendError::Unsupported
            } else {
                SendError::Unavailable("the mail server takes no sender that is not ASCII")
            }
        }
        None => SendError::BrokenOff("the mail server hung up"),
    }
}
