//! Settles what is done, as much at once as is done by now, and ends its spans.

use accrue_chassis::traces::Span;
use accrue_events::broker::{BrokerError, Settlement, Subscription};
use futures_util::future::FutureExt as _;
use futures_util::stream::{FuturesUnordered, StreamExt as _};

use super::Work;

/// A delivery of which it is certain what is to become of it.
pub(super) struct Done {
    pub(super) tag: u64,
    pub(super) settlement: Settlement,
    /// From the delivery to its being settled, where that is recorded.
    pub(super) span: Option<Span>,
}

/// What is settled at once.
#[derive(Default)]
pub(super) struct Settling {
    settlements: Vec<(u64, Settlement)>,
    spans: Vec<Span>,
}

impl Settling {
    /// What is done, together with whatever else is done by now.
    pub(super) fn gather(first: Option<Done>, in_work: &mut FuturesUnordered<Work>) -> Self {
        let mut settling = Self::default();
        settling.add(first);
        while let Some(Some(done)) = in_work.next().now_or_never() {
            settling.add(done);
        }
        settling
    }

    fn add(&mut self, done: Option<Done>) {
        let Some(Done { tag, settlement, span }) = done else { return };
        self.settlements.push((tag, settlement));
        if let Some(mut span) = span {
            match settlement {
                Settlement::Ack => {}
                Settlement::Reject => span.fail("rejected"),
                Settlement::Retry => span.fail("retried"),
            }
            self.spans.push(span);
        }
    }

    /// How many of them are acked.
    pub(super) fn commits(&self) -> usize {
        self.settlements.iter().filter(|(_, settlement)| *settlement == Settlement::Ack).count()
    }

    /// Tells the broker. The spans end with it.
    pub(super) async fn settle(mut self, subscription: &mut dyn Subscription) -> Result<(), BrokerError> {
        if self.settlements.is_empty() {
            return Ok(());
        }
        let settled = subscription.settle(self.settlements).await;
        if settled.is_err() {
            self.spans.iter_mut().for_each(|span| span.fail("unsettled"));
        }
        settled
    }
}
