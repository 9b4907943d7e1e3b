//! A mail as it waits with its user: sealed, with the ticket that it tells.

use time::OffsetDateTime;
use uuid::Uuid;

use super::KeptTicket;
use crate::sealing::Sealed;

/// What a mail is about. At most one of a kind waits for a user: a newer one takes
/// the place of an older one that was not sent yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MailKind {
    /// Asks to show that the address is the user's.
    Verify,
    /// Admits to a new password.
    Reset,
    /// Says that somebody tried to sign up with the user's address.
    Taken,
}

impl MailKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Verify, Self::Reset, Self::Taken];

    /// The word for it in stores, metrics and file names.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Verify => "verify",
            Self::Reset => "reset",
            Self::Taken => "taken",
        }
    }

    /// The kind of that word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

/// A mail that waits. Recipient and text are sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingMail {
    /// Its own id, also in its `Message-ID`: who gets it twice can tell.
    pub id: Uuid,
    /// What it is about.
    pub kind: MailKind,
    /// Recipient, subject and text, encrypted.
    pub sealed: Sealed,
}

/// What is written with a user so that a mail goes out: the mail, and the digest of
/// the ticket in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posting {
    /// The mail.
    pub mail: WaitingMail,
    /// The ticket that it tells, if it tells one. The one of before is void.
    pub ticket: Option<KeptTicket>,
    /// When it was written, whole milliseconds; it is due at once.
    pub written_at: OffsetDateTime,
}
