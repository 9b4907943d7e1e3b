//! Composes mail out of the templates, with a fresh ticket where one belongs in it.

use accrue_chassis::clock::SharedClock;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use super::letter::Letter;
use crate::domain::{
    EmailAddress, KeptTicket, MailKind, NewAddress, Posting, Ticket, TicketKind, WaitingMail,
};
use crate::sealing::{KeyEncryptionKeys, SealingError};

const VERIFY: &str = include_str!("../../templates/verify.txt");
const CHANGE: &str = include_str!("../../templates/change.txt");
const RESET: &str = include_str!("../../templates/reset.txt");
const TAKEN: &str = include_str!("../../templates/taken.txt");

/// Composes mail. Links lead to the front end, with the ticket after `#`: what stands
/// there is sent to no server, so it is in no log on the way.
#[derive(Clone)]
pub struct Composer {
    keys: KeyEncryptionKeys,
    public_url: String,
    clock: SharedClock,
}

impl Composer {
    /// Seals under `keys`; links begin with `public_url`.
    #[must_use]
    pub fn new(keys: KeyEncryptionKeys, public_url: &str, clock: SharedClock) -> Self {
        Self { keys, public_url: public_url.trim_end_matches('/').to_owned(), clock }
    }

    /// Asks to show that the address is the user's.
    ///
    /// # Errors
    /// [`SealingError`].
    pub fn verification(&self, to: &EmailAddress) -> Result<Posting, SealingError> {
        self.with_ticket(
            to,
            (MailKind::Verify, TicketKind::Verify, Ticket::generate()),
            "verify-email",
            VERIFY,
        )
    }

    /// Gives the user this address, as long as they are in this session epoch.
    ///
    /// # Errors
    /// [`SealingError`].
    pub fn new_address(&self, to: &EmailAddress, epoch: i64) -> Result<Posting, SealingError> {
        let ticket = Ticket::for_address(&NewAddress { email: to.clone(), epoch });
        self.with_ticket(to, (MailKind::Verify, TicketKind::Verify, ticket), "verify-email", CHANGE)
    }

    /// Admits to a new password.
    ///
    /// # Errors
    /// [`SealingError`].
    pub fn reset(&self, to: &EmailAddress) -> Result<Posting, SealingError> {
        self.with_ticket(
            to,
            (MailKind::Reset, TicketKind::Reset, Ticket::generate()),
            "reset-password",
            RESET,
        )
    }

    /// Says that somebody tried to sign up with the address, or to change to it.
    ///
    /// # Errors
    /// [`SealingError`].
    pub fn taken(&self, to: &EmailAddress) -> Result<Posting, SealingError> {
        let text = TAKEN.replace("{link}", &format!("{}/reset-password", self.public_url));
        self.posting(to, MailKind::Taken, None, &text, self.now())
    }

    fn with_ticket(
        &self,
        to: &EmailAddress,
        (mail, kind, ticket): (MailKind, TicketKind, Ticket),
        page: &str,
        template: &str,
    ) -> Result<Posting, SealingError> {
        let now = self.now();
        let expires_at = now + kind.lifetime();
        let until = expires_at.replace_millisecond(0).unwrap_or(expires_at);
        let text = template
            .replace("{link}", &format!("{}/{page}#token={}", self.public_url, ticket.expose()))
            .replace("{token}", ticket.expose())
            .replace("{until}", &until.format(&Rfc3339).unwrap_or_default());
        let kept = KeptTicket { kind, digest: ticket.digest(), expires_at };
        self.posting(to, mail, Some(kept), &text, now)
    }

    fn posting(
        &self,
        to: &EmailAddress,
        kind: MailKind,
        ticket: Option<KeptTicket>,
        text: &str,
        written_at: OffsetDateTime,
    ) -> Result<Posting, SealingError> {
        let id = Uuid::now_v7();
        let sealed = Letter::new(to.as_str(), text, written_at).seal(id, &self.keys)?;
        Ok(Posting { mail: WaitingMail { id, kind, sealed }, ticket, written_at })
    }

    /// In whole milliseconds, which is what MongoDB keeps.
    fn now(&self) -> OffsetDateTime {
        let now = self.clock.now();
        now.replace_millisecond(now.millisecond()).unwrap_or(now)
    }
}

#[cfg(test)]
mod tests {
    use accrue_chassis::clock::ManualClock;
    use lettre::message::Mailbox;
    use secrecy::ExposeSecret as _;
    use time::macros::datetime;

    use super::*;

    fn composer() -> (Composer, KeyEncryptionKeys) {
        let key = KeyEncryptionKeys::generate();
        let keys = KeyEncryptionKeys::parse(key.expose_secret()).expect("a key");
        let clock = ManualClock::new(datetime!(2026-01-02 03:04:05.678901 UTC));
        (Composer::new(keys.clone(), "https://example.com/app/", clock), keys)
    }

    fn shown(posting: &Posting, keys: &KeyEncryptionKeys) -> String {
        let mail = &posting.mail;
        let from: Mailbox = "Accrue <no-reply@example.com>".parse().expect("a sender");
        let letter = Letter::open(mail.id, &mail.sealed, keys).expect("it opens");
        let message = letter.message(mail.id, &from).expect("a message");
        // Quoted-printable breaks long lines, and writes `=` as `=3D`.
        let text = String::from_utf8(message.formatted()).expect("ASCII");
        text.replace("=\r\n", "").replace("=3D", "=")
    }

    #[test]
    fn a_mail_carries_its_ticket_and_the_store_only_the_digest() {
        let (composer, keys) = composer();
        let ada = EmailAddress::parse("ada@example.org").expect("an address");
        let posting = composer.verification(&ada).expect("a mail");
        let ticket = posting.ticket.expect("a ticket");
        assert_eq!(ticket.expires_at, datetime!(2026-01-03 03:04:05.678 UTC));
        let text = shown(&posting, &keys);
        let token = text.split("#token=").nth(1).and_then(|rest| rest.split_whitespace().next());
        let token = Ticket::parse(token.expect("a link")).expect("a ticket");
        assert_eq!(token.digest(), ticket.digest);
        let message_id = format!("Message-ID: <{}@example.com>", posting.mail.id);
        for part in [
            "To: ada@example.org",
            "Subject: Show that this address is yours",
            "Date: Fri, 02 Jan 2026 03:04:05 +0000",
            "Auto-Submitted: auto-generated",
            "until 2026-01-03T03:04:05Z",
            "https://example.com/app/verify-email#token=",
            &message_id,
        ] {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
        let sealed = String::from_utf8_lossy(&posting.mail.sealed.bytes).into_owned();
        assert!(!sealed.contains("ada@") && !sealed.contains(token.expose()));
    }

    #[test]
    fn every_template_is_filled() {
        let (composer, keys) = composer();
        let ada = EmailAddress::parse("ada@example.org").expect("an address");
        let postings = [
            composer.verification(&ada),
            composer.new_address(&ada, 3),
            composer.reset(&ada),
            composer.taken(&ada),
        ];
        for posting in postings.map(|posting| posting.expect("a mail")) {
            let text = shown(&posting, &keys);
            assert!(!text.contains('{') && text.contains("https://example.com/app/"), "{text}");
            assert_eq!(posting.ticket.is_none(), posting.mail.kind == MailKind::Taken);
        }
    }
}
