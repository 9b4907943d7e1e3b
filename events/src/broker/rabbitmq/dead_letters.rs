//! The dead-letter queue: looked at without taking anything out of it, and sent back.

use std::sync::Arc;
use std::time::Duration;

use accrue_chassis::pace::Pace;
use async_trait::async_trait;
use lapin::message::Delivery;

use super::super::selection::Wanted;
use super::super::{
    BrokerError, DeadLetter, DeadLetters, FailedRedrive, Look, Publication, Redrive, Redriven, Survey,
};
use super::confirms::{ConfirmedChannel, Outgoing};
use super::connection::Endpoint;
use super::headers;
use super::walk::{Walk, describe, routing_key};

/// How long a list or the search for one letter may walk through the queue; past it a list
/// tells of what it has seen, and a search gives up.
const WALK_LIMIT: Duration = Duration::from_mins(5);
/// So many failures in a row that are the connection's end a redrive.
const FAILURES_IN_A_ROW: u32 = 3;

/// Dead letters of one broker. Each call has a connection of its own. While one call
/// walks through the queue, another, or another process, does not see the letters
/// that it holds.
pub(super) struct RabbitDeadLetters {
    endpoint: Arc<Endpoint>,
    /// One walk at a time, within this process at least.
    walking: tokio::sync::Mutex<()>,
}

impl RabbitDeadLetters {
    pub(super) fn new(endpoint: Arc<Endpoint>) -> Self {
        Self { endpoint, walking: tokio::sync::Mutex::new(()) }
    }

    /// Sends back what `wanted` takes, until the walk or the limit ends.
    async fn send_wanted(
        &self,
        walk: &mut Walk,
        (redrive, wanted): (&Redrive, &mut Wanted),
        report: &mut Redriven,
        tell: &mut (dyn FnMut(u64) + Send),
    ) -> Result<(), BrokerError> {
        let mut sender = Sender { endpoint: &self.endpoint, channel: None };
        let mut pace = Pace::new(redrive.rate);
        let mut failures_in_a_row = 0;
        while !wanted.is_done() {
            if walk.is_too_long() {
                return Ok(());
            }
            let Some(letter) = walk.next().await? else { break };
            let summary = describe(&letter).summary();
            if !wanted.takes(&summary) {
                continue;
            }
            if report.redriven + report.failed.len() as u64 >= redrive.limit {
                report.left += 1;
                continue;
            }
            pace.wait().await;
            match sender.send(&letter).await {
                Ok(()) => {
                    walk.remove(&letter).await?;
                    failures_in_a_row = 0;
                    report.redriven += 1;
                    tell(report.redriven);
                }
                Err(error) => {
                    let is_lasting = !matches!(error, BrokerError::Refused { .. });
                    failures_in_a_row = if is_lasting { failures_in_a_row + 1 } else { 0 };
                    report.failed.push(FailedRedrive { id: summary.id, error });
                    if failures_in_a_row >= FAILURES_IN_A_ROW {
                        return Err(BrokerError::Ended("nothing could be sent any more"));
                    }
                }
            }
        }
        report.is_complete = true;
        Ok(())
    }
}

/// Publishes letters to the main queue, one after the other.
struct Sender<'a> {
    endpoint: &'a Endpoint,
    channel: Option<ConfirmedChannel>,
}

impl Sender<'_> {
    /// Publishes a letter, with a clean record, and waits until it is confirmed.
    async fn send(&mut self, letter: &Delivery) -> Result<(), BrokerError> {
        // On another connection than the letter's: were publishing blocked by an
        // alarm, putting the letter back would be too.
        let channel = match self.channel.take().filter(ConfirmedChannel::is_healthy) {
            Some(channel) => channel,
            None => ConfirmedChannel::open(self.endpoint, "redrive").await?,
        };
        let outgoing = Outgoing {
            exchange: String::new(),
            is_mandatory: true,
            routing_key: self.endpoint.topology.queue(),
            body: &letter.data,
            properties: headers::to_republish(&letter.properties, 0, &routing_key(letter)),
        };
        let window = channel.publish(vec![outgoing]).await?;
        if window.is_sound {
            self.channel = Some(channel);
        }
        match window.publications.as_slice() {
            [Publication::Confirmed] => Ok(()),
            _ => Err(BrokerError::Refused { what: "a message for the main queue", source: None }),
        }
    }
}

#[async_trait]
impl DeadLetters for RabbitDeadLetters {
    async fn list(&self, limit: usize) -> Result<Vec<DeadLetter>, BrokerError> {
        let _walking = self.walking.lock().await;
        let mut walk = Walk::begin(&self.endpoint, WALK_LIMIT).await?;
        let mut letters = Vec::new();
        // To the end of the queue: what was put back last time may stand anywhere.
        while !walk.is_too_long()
            && let Some(letter) = walk.next().await?
        {
            letters.push(describe(&letter));
            if letters.len() > limit.saturating_mul(2) {
                keep_oldest(&mut letters, limit);
            }
        }
        keep_oldest(&mut letters, limit);
        walk.end().await?;
        Ok(letters)
    }

    async fn survey(&self, look: &Look) -> Result<Survey, BrokerError> {
        let _walking = self.walking.lock().await;
        let mut walk = Walk::begin(&self.endpoint, look.patience).await?;
        let mut wanted = Wanted::new(&look.selection);
        let mut survey = Survey { is_complete: true, ..Survey::default() };
        while !wanted.is_done()
            && let Some(letter) = walk.next().await?
        {
            let summary = describe(&letter).summary();
            if wanted.takes(&summary) {
                survey.add(summary, look.limit);
            }
            if walk.is_too_long() {
                survey.is_complete = false;
                break;
            }
        }
        survey.keep_oldest(look.limit);
        walk.end().await?;
        Ok(survey)
    }

    async fn find(&self, id: &str) -> Result<Option<DeadLetter>, BrokerError> {
        let _walking = self.walking.lock().await;
        let mut walk = Walk::begin(&self.endpoint, WALK_LIMIT).await?;
        let letter = walk.find(id).await?;
        walk.end().await?;
        Ok(letter.as_ref().map(describe))
    }

    async fn redrive_many(
        &self,
        redrive: &Redrive,
        tell: &mut (dyn FnMut(u64) + Send),
    ) -> Result<Redriven, BrokerError> {
        let _walking = self.walking.lock().await;
        let mut walk = Walk::begin(&self.endpoint, redrive.patience).await?;
        let mut wanted = Wanted::new(&redrive.selection);
        let mut report = Redriven::default();
        let sent = self.send_wanted(&mut walk, (redrive, &mut wanted), &mut report, tell).await;
        // If this fails the walk is dropped with its connection, and what it held goes back.
        report.stopped = sent.err().or(walk.end().await.err());
        report.not_found = if report.is_complete { wanted.rest() } else { Vec::new() };
        Ok(report)
    }

    async fn drop_letter(&self, id: &str) -> Result<bool, BrokerError> {
        let _walking = self.walking.lock().await;
        let mut walk = Walk::begin(&self.endpoint, WALK_LIMIT).await?;
        let Some(letter) = walk.find(id).await? else { return walk.end().await.map(|()| false) };
        walk.remove(&letter).await?;
        walk.end().await?;
        Ok(true)
    }
}

/// Not in the queue's order, which changes with every look: RabbitMQ puts back more
/// than 32 letters in an order of its own. It tells the second of a death; within
/// one it is the ids that order, ours by the time of the event.
fn keep_oldest(letters: &mut Vec<DeadLetter>, limit: usize) {
    letters.sort_by(|a, b| (a.dead_since, &a.id).cmp(&(b.dead_since, &b.id)));
    letters.truncate(limit);
}
