//! Tickets: the single-use, expiring secrets that go out by mail.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use time::{Duration, OffsetDateTime};

use super::{Digest, EmailAddress};

const SECRET_BYTES: usize = 32;

/// What a ticket is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TicketKind {
    /// Shows that an address is its user's.
    Verify,
    /// Admits to a new password.
    Reset,
}

impl TicketKind {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::Verify, Self::Reset];

    /// The word for it in stores.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Verify => "verify",
            Self::Reset => "reset",
        }
    }

    /// How long a ticket of this kind is good.
    #[must_use]
    pub fn lifetime(self) -> Duration {
        match self {
            Self::Verify => Duration::hours(24),
            Self::Reset => Duration::hours(1),
        }
    }
}

/// A ticket as it stands in a mail: 32 random bytes, and the address that it gives its
/// user, if it does. Only the digest of all of it is kept, so that nobody can write
/// another address into it, and none is kept that may never be the user's.
#[derive(Clone)]
pub struct Ticket(SecretString);

/// An address that is a user's once its ticket is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAddress {
    /// The address.
    pub email: EmailAddress,
    /// The session epoch in which it was asked for. Whatever ends all sessions, a new
    /// password among it, makes the ticket void.
    pub epoch: i64,
}

/// The text can be no ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Give the token out of the mail.")]
pub struct InvalidTicket;

impl Ticket {
    /// A new one.
    #[must_use]
    pub fn generate() -> Self {
        Self(URL_SAFE_NO_PAD.encode(rand::random::<[u8; SECRET_BYTES]>()).into())
    }

    /// A new one that gives its user this address.
    #[must_use]
    pub fn for_address(new: &NewAddress) -> Self {
        let address = URL_SAFE_NO_PAD.encode(format!("{} {}", new.epoch, new.email.as_str()));
        Self(format!("{}.{address}", Self::generate().expose()).into())
    }

    /// The address that it gives its user.
    #[must_use]
    pub fn new_address(&self) -> Option<NewAddress> {
        let (_, address) = self.expose().split_once('.')?;
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(address).ok()?).ok()?;
        let (epoch, email) = text.split_once(' ')?;
        Some(NewAddress { email: EmailAddress::parse(email).ok()?, epoch: epoch.parse().ok()? })
    }

    /// Reads what somebody sends.
    ///
    /// # Errors
    /// [`InvalidTicket`].
    pub fn parse(text: &str) -> Result<Self, InvalidTicket> {
        let text = text.trim();
        let (secret, address) = text.split_once('.').map_or((text, None), |(a, b)| (a, Some(b)));
        let ticket = match URL_SAFE_NO_PAD.decode(secret) {
            Ok(bytes) if bytes.len() == SECRET_BYTES => Self(text.to_owned().into()),
            _ => return Err(InvalidTicket),
        };
        if address.is_some() && ticket.new_address().is_none() {
            return Err(InvalidTicket);
        }
        Ok(ticket)
    }

    /// What is kept of it. Of 256 random bits a fast digest tells nothing.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Sha256::digest(self.0.expose_secret()).into()
    }

    /// The text, for the mail.
    pub(crate) fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ticket(..)")
    }
}

/// What is kept of a ticket with its user: at most one of a kind, the newest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeptTicket {
    /// What it is good for.
    pub kind: TicketKind,
    /// By which it is known.
    pub digest: Digest,
    /// From when on it is good for nothing; whole milliseconds.
    pub expires_at: OffsetDateTime,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_known_by_its_digest_and_never_shown() {
        let ticket = Ticket::generate();
        let again = Ticket::parse(&format!(" {}\n", ticket.expose())).expect("a ticket");
        assert_eq!(ticket.digest(), again.digest());
        assert_ne!(ticket.digest(), Ticket::generate().digest());
        assert_eq!(format!("{ticket:?}"), "Ticket(..)");
        let email = EmailAddress::parse("ada@example.com").expect("an address");
        let new = NewAddress { email, epoch: 7 };
        let ticket = Ticket::for_address(&new);
        let again = Ticket::parse(ticket.expose()).expect("a ticket");
        assert_eq!((again.digest(), again.new_address()), (ticket.digest(), Some(new)));
        let (secret, _) = ticket.expose().split_once('.').expect("two parts");
        let bare = Ticket::parse(secret).expect("a ticket");
        assert!(bare.digest() != ticket.digest() && bare.new_address().is_none());
        assert!(
            Ticket::parse(&format!("{secret}.")).is_err() && Ticket::parse(&format!("{secret}.x")).is_err()
        );
        for text in ["", "short", "a b", &"A".repeat(42), &"A".repeat(44), &"ä".repeat(43)] {
            assert_eq!(Ticket::parse(text).err(), Some(InvalidTicket), "{text:?}");
        }
    }
}
