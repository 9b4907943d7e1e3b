//! The relay: claims from the outbox, publishes, marks what was confirmed.

mod spans;

use std::sync::Arc;
use std::time::Duration;

use accrue_chassis::backoff::Backoff;
use accrue_chassis::health::Link;
use accrue_chassis::telemetry::chain;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use self::spans::Spans;
use crate::broker::{BrokerError, Place, Publication, Publisher};
use crate::outbox::{Claim, Entry, Outbox, OutboxError};

/// Messages published before their confirms are waited for.
const WINDOW: usize = 256;
/// How long a claim holds. Longer than any publish may take with its confirms, or
/// another relay would publish the same once more.
const LEASE: Duration = Duration::from_secs(10);
/// How often the outbox is looked at when nothing wakes the relay: it finds what a
/// process wrote that died before it could wake anyone.
const POLL: Duration = Duration::from_secs(1);

/// Moves events from an outbox to a broker, at least once each.
pub struct Relay {
    service: &'static str,
    outbox: Arc<dyn Outbox>,
    publisher: Box<dyn Publisher>,
    place: Place,
    wake: Arc<Notify>,
    link: Link,
}

/// What one round did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Entries claimed.
    pub claimed: usize,
    /// Of those, confirmed by the broker and marked published.
    pub published: usize,
}

/// Why a round did not do all that it began. Nothing is lost by it.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// The outbox's store failed.
    #[error(transparent)]
    Outbox(#[from] OutboxError),
    /// The broker failed.
    #[error(transparent)]
    Broker(#[from] BrokerError),
}

impl Relay {
    /// A relay from the outbox of `service` to `publisher`. Whoever writes to the outbox
    /// notifies `wake`; `link` is told how the broker does.
    pub fn new(
        service: &'static str,
        outbox: Arc<dyn Outbox>,
        publisher: Box<dyn Publisher>,
        wake: Arc<Notify>,
        link: Link,
    ) -> Self {
        let place = publisher.place();
        Self { service, outbox, publisher, place, wake, link }
    }

    /// Claims once, publishes what was claimed, marks what was confirmed.
    ///
    /// # Errors
    /// [`RelayError`]. The claim was released, or ends with its lease.
    pub async fn run_once(&mut self) -> Result<Outcome, RelayError> {
        // No claim without a connection: it would only keep others from publishing.
        self.connect().await?;
        let claim = self.outbox.claim(WINDOW, LEASE).await?;
        if claim.entries.is_empty() {
            return Ok(Outcome::default());
        }
        match self.publish(&claim).await {
            Ok(confirmed) => {
                let outcome = Outcome { claimed: claim.entries.len(), published: confirmed.len() };
                self.outbox.mark_published(&claim, &confirmed).await?;
                if outcome.published < outcome.claimed {
                    self.outbox.release(&claim).await?;
                }
                Ok(outcome)
            }
            Err(error) => {
                // Best effort: without it the lease ends by itself.
                if let Err(error) = self.outbox.release(&claim).await {
                    tracing::debug!(%error, "a claim could not be released; its lease will end");
                }
                Err(error.into())
            }
        }
    }

    async fn connect(&mut self) -> Result<(), BrokerError> {
        let connected = self.publisher.connect().await;
        match &connected {
            Ok(()) => self.link.up(),
            Err(error) => self.link.down(error.to_string()),
        }
        connected
    }

    async fn publish(&mut self, claim: &Claim) -> Result<Vec<Entry>, BrokerError> {
        let mut confirmed = Vec::with_capacity(claim.entries.len());
        for window in claim.entries.chunks(WINDOW) {
            let (messages, spans) = Spans::begin(window, &self.place);
            metrics::counter!("outbox_published_total", "service" => self.service)
                .increment(messages.len() as u64);
            let published = self.publisher.publish(&messages).await;
            spans.end(published.as_deref().ok());
            let publications = published.inspect_err(|error| self.link.down(error.to_string()))?;
            confirmed.extend(
                window
                    .iter()
                    .zip(publications)
                    .filter(|(_, publication)| *publication == Publication::Confirmed)
                    .map(|(entry, _)| entry.clone()),
            );
        }
        metrics::counter!("outbox_confirmed_total", "service" => self.service)
            .increment(confirmed.len() as u64);
        metrics::counter!("outbox_unconfirmed_total", "service" => self.service)
            .increment((claim.entries.len() - confirmed.len()) as u64);
        Ok(confirmed)
    }

    /// Runs rounds until `stop`: at once while there is more, then whenever it is
    /// woken, and every second anyway. A failure waits with a backoff and is tried
    /// again without end.
    pub async fn run(mut self, stop: CancellationToken) {
        let wake = Arc::clone(&self.wake);
        let mut backoff = Backoff::for_reconnect();
        self.outbox.relay_begins(LEASE);
        while !stop.is_cancelled() {
            // Registered before the outbox is looked at: what is written in
            // between must wake us.
            let woken = wake.notified();
            let wait = match self.run_once().await {
                Ok(outcome) if outcome.published < outcome.claimed => {
                    tracing::warn!(
                        service = self.service,
                        ?outcome,
                        "the broker did not take all events; they will be published again"
                    );
                    backoff.next_wait()
                }
                Ok(outcome) => {
                    backoff.reset();
                    if outcome.claimed > 0 {
                        continue;
                    }
                    tokio::select! {
                        () = stop.cancelled() => {}
                        () = woken => {}
                        () = tokio::time::sleep(POLL) => {}
                    }
                    continue;
                }
                Err(error) => {
                    let error = chain(&error);
                    tracing::warn!(
                        service = self.service,
                        error,
                        "events wait in the outbox; will try again"
                    );
                    backoff.next_wait()
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
        if let Err(error) = self.outbox.relay_ended().await {
            tracing::debug!(%error, "what was not published could not be released; its lease will end");
        }
    }
}

#[cfg(test)]
mod tests;
