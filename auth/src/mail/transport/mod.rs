//! How mail leaves: over SMTP, or into a directory.

mod directory;
mod server;
mod smtp;

use std::sync::Arc;

use async_trait::async_trait;
use lettre::Message;
use uuid::Uuid;

pub use directory::DirectoryTransport;
pub use smtp::SmtpTransport;

use super::config::Delivery;

/// Sends mail. Sending the same twice is allowed: its `Message-ID` tells.
#[async_trait]
pub trait Transport: Send + Sync + 'static {
    /// Sends one message, the id of which is in its `Message-ID`. After `Ok` it is the
    /// mail server's.
    ///
    /// # Errors
    /// [`SendError`].
    async fn send(&self, id: Uuid, message: Message) -> Result<(), SendError>;
}

/// Why a message was not sent. It never says to whom it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The server cannot be reached, or takes no mail from us: nothing to do with
    /// this message.
    #[error("mail cannot be sent right now: {0}")]
    Unavailable(&'static str),
    /// The server listened, but did not come to an end with this message: it hung up,
    /// or did not answer. Whether the message or the server is at fault, nobody knows,
    /// nor whether the message has arrived.
    #[error("the mail server broke off over a mail: {0}")]
    BrokenOff(&'static str),
    /// The server refused this message, with this SMTP code; it may take it later.
    #[error("the mail server refused a mail with code {0}")]
    Refused(u16),
    /// The server lacks what this message needs: `SMTPUTF8` for its address, or `8BITMIME`.
    #[error("the mail server takes no mail to an address that is not ASCII")]
    Unsupported,
}

/// The transport of these settings. It connects to nothing yet.
///
/// # Errors
/// What is wrong with the settings.
pub fn open_transport(delivery: &Delivery) -> Result<Arc<dyn Transport>, String> {
    match delivery {
        Delivery::Smtp(url) => Ok(Arc::new(SmtpTransport::new(url)?)),
        Delivery::Directory(path) => Ok(Arc::new(DirectoryTransport::new(path.clone()))),
    }
}
