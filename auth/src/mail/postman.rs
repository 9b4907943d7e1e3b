//! The postman: claims mail that is due, sends it, marks it sent.
//!
//! Mail goes out at least once: a postman that dies between sending and marking leaves
//! a mail that is sent again, with the same `Message-ID`. A mail server that is away
//! loses none: it waits, without end, and no event waits for it. A mail that the server
//! will not take holds up no other: it is put off, and the next one is sent.

use std::sync::Arc;
use std::time::{Duration, Instant};

use accrue_chassis::backoff::Backoff;
use accrue_chassis::clock::SharedClock;
use lettre::message::Mailbox;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::letter::Letter;
use super::patience::{LastTaken, is_the_last, wait_after};
use super::round::{Outcome, PAUSE_WHEN_AWAY, RoundError};
use super::transport::{SendError, Transport};
use crate::sealing::{KeyEncryptionKeys, SealingError};
use crate::store::{AuthStore, ClaimedMail, MailClaim};

/// Users whose mail is claimed at once.
const CLAIM_LIMIT: usize = 8;
/// How long it is held. What has not been sent when half of it is over is left for
/// the next claim: sending one may take as long as a mail server pleases, up to 30 s.
const LEASE: Duration = Duration::from_mins(2);
/// How often it looks without being woken: after a crash, or for what was put off.
const POLL: Duration = Duration::from_secs(5);
/// Over how many mails in a row it breaks off before it is left alone for a while.
const BROKEN_OFF_IN_A_ROW: usize = 5;

/// How mail leaves.
#[derive(Clone)]
pub struct Sending {
    /// By what.
    pub transport: Arc<dyn Transport>,
    /// Whom it is from.
    pub from: Mailbox,
    /// What it is sealed under.
    pub keys: KeyEncryptionKeys,
}

/// The task that sends mail. Any number may run side by side.
pub struct Postman {
    store: Arc<dyn AuthStore>,
    sending: Sending,
    clock: SharedClock,
    wake: Arc<Notify>,
    last_taken: LastTaken,
}

enum Fate {
    Sent,
    PutOff,
    /// Put off as well, but whether for its own fault nobody knows.
    BrokenOff(SendError),
    GivenUp,
}

impl Postman {
    /// A postman who is woken by `wake` when mail was written.
    #[must_use]
    pub fn new(store: Arc<dyn AuthStore>, sending: Sending, clock: SharedClock, wake: Arc<Notify>) -> Self {
        Self { store, sending, clock, wake, last_taken: LastTaken::default() }
    }

    /// Sends until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let mut backoff = Backoff::new(Duration::from_secs(1), PAUSE_WHEN_AWAY);
        while !stop.is_cancelled() {
            // Registered before it looks, so that nothing is written unseen in between.
            let woken = self.wake.notified();
            let wait = match self.run_once().await {
                Ok(outcome) => {
                    backoff.reset();
                    if outcome != Outcome::default() {
                        continue;
                    }
                    POLL
                }
                Err(error) => {
                    tracing::warn!(%error, "mail waits");
                    let wait = backoff.next_wait().min(error.longest_pause());
                    // New mail does not make the server come back.
                    let _ = tokio::time::timeout(wait, stop.cancelled()).await;
                    continue;
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = woken => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// One round: claims what is due and sends it.
    ///
    /// # Errors
    /// [`RoundError`].
    pub async fn run_once(&self) -> Result<Outcome, RoundError> {
        let start = Instant::now();
        let claim = self.store.claim_mail(CLAIM_LIMIT, LEASE).await?;
        let done = self.send_all(&claim, start).await;
        if !claim.mails.is_empty() {
            self.store.release_mail(&claim).await?;
        }
        done
    }

    async fn send_all(&self, claim: &MailClaim, start: Instant) -> Result<Outcome, RoundError> {
        let (mut outcome, mut broken_off_in_a_row) = (Outcome::default(), 0);
        for mail in &claim.mails {
            if start.elapsed() > LEASE / 2 {
                break;
            }
            let fate = self.send(claim, mail).await?;
            match fate {
                Fate::Sent => outcome.sent += 1,
                Fate::PutOff | Fate::BrokenOff(_) => outcome.put_off += 1,
                Fate::GivenUp => outcome.given_up += 1,
            }
            let Fate::BrokenOff(error) = fate else {
                broken_off_in_a_row = 0;
                continue;
            };
            broken_off_in_a_row += 1;
            if broken_off_in_a_row == BROKEN_OFF_IN_A_ROW {
                return Err(RoundError::BrokenOff(error));
            }
        }
        Ok(outcome)
    }

    async fn send(&self, claim: &MailClaim, mail: &ClaimedMail) -> Result<Fate, RoundError> {
        let (id, kind) = (mail.mail.id, mail.mail.kind.word());
        let letter = match Letter::open(id, &mail.mail.sealed, &self.sending.keys) {
            Ok(letter) => letter,
            // Its key may be put back on the list: it is kept, however long.
            Err(error @ SealingError::UnknownKey(_)) => {
                tracing::error!(%error, mail_id = %id, kind, "a mail waits for its key");
                return self.put_off(claim, mail).await;
            }
            Err(error @ SealingError::Broken) => {
                return self.give_up(claim, mail, &error).await;
            }
        };
        let message = match letter.message(id, &self.sending.from) {
            Ok(message) => message,
            Err(error) => return self.give_up(claim, mail, &error).await,
        };
        let Err(error) = self.sending.transport.send(id, message).await else {
            self.last_taken.note(self.clock.now());
            self.store.mark_sent(claim, mail).await?;
            count("sent");
            return Ok(Fate::Sent);
        };
        let is_its_fault = match error {
            SendError::Unavailable(_) => return Err(RoundError::Away(error)),
            SendError::BrokenOff(_) => self.last_taken.is_after_the_last_of(mail.tries, self.clock.now()),
            SendError::Refused(_) | SendError::Unsupported => true,
        };
        if is_its_fault && is_the_last(letter.faults()) {
            return self.give_up(claim, mail, &error).await;
        }
        tracing::info!(%error, mail_id = %id, kind, "a mail will be tried again");
        if is_its_fault {
            self.note_fault(mail, letter).await?;
        }
        let fate = self.put_off(claim, mail).await?;
        Ok(if matches!(error, SendError::BrokenOff(_)) { Fate::BrokenOff(error) } else { fate })
    }

    /// Dying after this makes the fault count without its wait: one try fewer, no mail lost.
    async fn note_fault(&self, mail: &ClaimedMail, letter: Letter) -> Result<(), RoundError> {
        match letter.with_another_fault().seal(mail.mail.id, &self.sending.keys) {
            // Where it is not there any more a newer mail has taken its place.
            Ok(sealed) => drop(self.store.reseal_mail(&mail.user_id, &mail.mail, &sealed).await?),
            Err(error) => tracing::error!(%error, mail_id = %mail.mail.id, "a fault of a mail is not noted"),
        }
        Ok(())
    }

    async fn put_off(&self, claim: &MailClaim, mail: &ClaimedMail) -> Result<Fate, RoundError> {
        self.store.put_off(claim, mail, self.clock.now() + wait_after(mail.tries)).await?;
        count("put_off");
        Ok(Fate::PutOff)
    }

    async fn give_up(
        &self,
        claim: &MailClaim,
        mail: &ClaimedMail,
        error: &(dyn std::error::Error + Send + Sync + 'static),
    ) -> Result<Fate, RoundError> {
        // By the id of its user it can be asked for again.
        tracing::warn!(
            %error,
            mail_id = %mail.mail.id,
            user_id = mail.user_id,
            kind = mail.mail.kind.word(),
            "a mail was given up"
        );
        self.store.mark_sent(claim, mail).await?;
        count("given_up");
        Ok(Fate::GivenUp)
    }
}

fn count(outcome: &'static str) {
    metrics::counter!("mails_total", "outcome" => outcome).increment(1);
}
