//! The postman: claims mail that is due, sends it, marks it sent.
//!
//! Mail goes out at least once: a postman that dies between sending and marking leaves
//! a mail that is sent again, with the same `Message-ID`. A mail server that is away
//! loses none: it waits, without end, and no event waits for it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use accrue_chassis::backoff::Backoff;
use accrue_chassis::clock::SharedClock;
use lettre::message::Mailbox;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::letter::Letter;
use super::transport::{SendError, Transport};
use crate::sealing::{KeyEncryptionKeys, SealingError};
use crate::store::{AuthStore, ClaimedMail, MailClaim, StoreError};

/// Users whose mail is claimed at once.
const CLAIM_LIMIT: usize = 8;
/// How long it is held. What has not been sent when half of it is over is left for
/// the next claim: sending one may take as long as a mail server pleases, up to 30 s.
const LEASE: Duration = Duration::from_mins(2);
/// How often it looks without being woken: after a crash, or for what was put off.
const POLL: Duration = Duration::from_secs(5);
/// How often a mail that the server refuses is tried, over about three days.
const MAX_TRIES: u32 = 14;
/// From the first refusal to the next try; doubled each time.
const FIRST_WAIT: Duration = Duration::from_mins(1);
/// The longest wait between two tries.
const MAX_WAIT: Duration = Duration::from_hours(6);

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
}

/// What one round did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Mails that are the mail server's now.
    pub sent: usize,
    /// Mails that it refused and that will be tried again.
    pub put_off: usize,
    /// Mails that were refused too often, or that do not open.
    pub given_up: usize,
}

/// Why a round ended early. What was not sent waits.
#[derive(Debug, thiserror::Error)]
pub enum RoundError {
    /// The mail server is away.
    #[error(transparent)]
    Send(#[from] SendError),
    /// The store is.
    #[error(transparent)]
    Store(#[from] StoreError),
}

enum Fate {
    Sent,
    PutOff,
    GivenUp,
}

impl Postman {
    /// A postman who is woken by `wake` when mail was written.
    #[must_use]
    pub fn new(store: Arc<dyn AuthStore>, sending: Sending, clock: SharedClock, wake: Arc<Notify>) -> Self {
        Self { store, sending, clock, wake }
    }

    /// Sends until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_mins(1));
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
                    let wait = backoff.next_wait();
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
        let mut outcome = Outcome::default();
        let mut failure = None;
        for mail in &claim.mails {
            if start.elapsed() > LEASE / 2 {
                break;
            }
            match self.send(&claim, mail).await {
                Ok(Fate::Sent) => outcome.sent += 1,
                Ok(Fate::PutOff) => outcome.put_off += 1,
                Ok(Fate::GivenUp) => outcome.given_up += 1,
                Err(error) => {
                    failure = Some(error);
                    break;
                }
            }
        }
        if !claim.mails.is_empty() {
            self.store.release_mail(&claim).await?;
        }
        failure.map_or(Ok(outcome), Err)
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
        match self.sending.transport.send(id, message).await {
            Ok(()) => {
                self.store.mark_sent(claim, mail).await?;
                count("sent");
                Ok(Fate::Sent)
            }
            Err(error @ SendError::Unavailable(_)) => Err(error.into()),
            Err(error @ SendError::Refused(_)) if mail.tries + 1 >= MAX_TRIES => {
                self.give_up(claim, mail, &error).await
            }
            Err(error @ SendError::Refused(_)) => {
                tracing::info!(%error, mail_id = %id, kind, "a mail will be tried again");
                self.put_off(claim, mail).await
            }
        }
    }

    async fn put_off(&self, claim: &MailClaim, mail: &ClaimedMail) -> Result<Fate, RoundError> {
        let wait = (FIRST_WAIT * 2_u32.saturating_pow(mail.tries.min(16))).min(MAX_WAIT);
        self.store.put_off(claim, mail, self.clock.now() + wait).await?;
        count("put_off");
        Ok(Fate::PutOff)
    }

    async fn give_up(
        &self,
        claim: &MailClaim,
        mail: &ClaimedMail,
        error: &(dyn std::error::Error + Send + Sync + 'static),
    ) -> Result<Fate, RoundError> {
        tracing::warn!(%error, mail_id = %mail.mail.id, kind = mail.mail.kind.word(), "a mail was given up");
        self.store.mark_sent(claim, mail).await?;
        count("given_up");
        Ok(Fate::GivenUp)
    }
}

fn count(outcome: &'static str) {
    metrics::counter!("mails_total", "outcome" => outcome).increment(1);
}
