//! The consumer: user events from the queue into the ledger, acked after their commit.

mod apply;
mod settling;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use accrue_chassis::backoff::Backoff;
use accrue_chassis::clock::SharedClock;
use accrue_chassis::health::Link;
use accrue_chassis::telemetry::chain;
use accrue_chassis::traces::{Kind, Span, TraceContext, scope};
use accrue_events::broker::{BrokerError, Delivery, Place, Settlement, Subscriber};
use accrue_events::user::{DecodeError, Decoded, UserEvent};
use futures_util::future::{BoxFuture, ready};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::apply::{apply, count};
use self::settling::{Done, Settling};
use crate::batcher::Batcher;
use crate::store::LedgerStore;

/// Deliveries in work at once.
const PREFETCH: u16 = 300;
/// The same until the first commit after a reconnect. A broken connection charges
/// every delivery in work against its limit, so a crash loop must hold few.
const CAUTIOUS_PREFETCH: u16 = 10;
/// The same after a subscription that broke: perhaps a delivery breaks it, and then no
/// other may be charged for that one.
const WARY_PREFETCH: u16 = 1;
/// Subscriptions that may break at once, one after the other, before it is taken for the
/// broker's fault. More than any delivery's limit.
const QUICK_BREAKS: usize = 40;
/// Commits after which a wary consumer trusts what comes.
const WARY_COMMITS: usize = 20;
/// For how long deliveries are held while the database takes nothing. Then they go back to
/// the queue, which charges them: a broker ends consumers that hold deliveries for very long
/// (RabbitMQ after 30 minutes), and charges them too.
const HOLD_LIMIT: Duration = Duration::from_mins(20);
/// A larger message is none of auth's, and is not taken into memory many times over.
const MAX_BODY_BYTES: usize = 256 * 1024;
/// How long what is in work at a shutdown may take; what is not settled by then
/// comes again.
const FINISH_LIMIT: Duration = Duration::from_secs(3);

/// Takes user events from a queue and posts them to the ledger.
pub struct Consumer {
    subscriber: Arc<dyn Subscriber>,
    place: Place,
    store: Arc<dyn LedgerStore>,
    batcher: Batcher,
    link: Link,
    clock: SharedClock,
}

/// How far a subscription came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Reach {
    /// The broker was not reached.
    #[default]
    Nowhere,
    /// It was, and nothing came.
    Subscribed,
    /// Something came.
    Delivered,
}

/// How a subscription begins.
#[derive(Debug, Clone, Copy)]
struct Caution {
    /// Deliveries in work at once,
    prefetch: u16,
    /// until so many were committed.
    commits: usize,
}

/// A delivery in work; ends with how it is to be settled, or with nothing if the
/// process stops before that is known.
type Work = BoxFuture<'static, Option<Done>>;

impl Consumer {
    /// A consumer of what `subscriber` receives. `link` is told how the broker does.
    /// `store` is only asked whether it is there.
    pub fn new(
        subscriber: Arc<dyn Subscriber>,
        (store, batcher): (Arc<dyn LedgerStore>, Batcher),
        link: Link,
        clock: SharedClock,
    ) -> Self {
        let place = subscriber.place();
        Self { subscriber, place, store, batcher, link, clock }
    }

    /// Consumes until `stop`. Whatever breaks is built anew, with a backoff, without end.
    pub async fn run(self, stop: CancellationToken) {
        let mut backoff = Backoff::for_reconnect();
        let mut breaks_in_a_row = 0;
        let mut caution = Caution { prefetch: CAUTIOUS_PREFETCH, commits: 1 };
        while !stop.is_cancelled() {
            self.wait_for_store(&stop).await;
            let mut reach = Reach::default();
            let error = match self.consume(caution, &mut reach, &stop).await {
                Ok(()) => return,
                Err(error) => error,
            };
            self.link.down(error.to_string());
            tracing::warn!(error = chain(&error), "consuming was interrupted; will subscribe again");
            if reach == Reach::Delivered {
                breaks_in_a_row = 0;
            }
            if reach >= Reach::Subscribed && breaks_in_a_row < QUICK_BREAKS {
                // The broker is well. A delivery that breaks the connection each time must
                // get through its limit quickly, charging no other.
                breaks_in_a_row += 1;
                caution = Caution { prefetch: WARY_PREFETCH, commits: WARY_COMMITS };
                backoff.reset();
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(backoff.next_wait()) => {}
            }
        }
    }

    /// Nothing is taken from the queue that could not be stored.
    async fn wait_for_store(&self, stop: &CancellationToken) {
        let mut backoff = Backoff::for_reconnect();
        while !stop.is_cancelled() && self.store.ping().await.is_err() {
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(backoff.next_wait()) => {}
            }
        }
    }

    /// One subscription, until it breaks or `stop`.
    async fn consume(
        &self,
        caution: Caution,
        reach: &mut Reach,
        stop: &CancellationToken,
    ) -> Result<(), BrokerError> {
        let mut subscription = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            subscription = self.subscriber.subscribe(caution.prefetch) => subscription?,
        };
        *reach = Reach::Subscribed;
        self.link.up();
        let mut in_work: FuturesUnordered<Work> = FuturesUnordered::new();
        let mut settled_at = Instant::now();
        let mut commits_to_trust = caution.commits;
        loop {
            let is_full = in_work.len() >= usize::from(PREFETCH);
            if in_work.is_empty() {
                settled_at = Instant::now();
            }
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep_until(settled_at + HOLD_LIMIT), if !in_work.is_empty() => {
                    return Err(BrokerError::Ended("the database is away; deliveries were given back"));
                }
                Some(done) = in_work.next(), if !in_work.is_empty() => {
                    let settling = Settling::gather(done, &mut in_work);
                    let commits = settling.commits();
                    settling.settle(subscription.as_mut()).await?;
                    settled_at = Instant::now();
                    let was_cautious = commits_to_trust > 0;
                    commits_to_trust = commits_to_trust.saturating_sub(commits);
                    if was_cautious && commits_to_trust == 0 {
                        subscription.set_prefetch(PREFETCH).await?;
                    }
                }
                delivery = subscription.next(), if !is_full => {
                    let delivery = delivery?;
                    *reach = Reach::Delivered;
                    in_work.push(self.work(&delivery, stop.clone()));
                }
            }
        }
        // Graceful: what was taken in is finished, unless the database is away.
        let finish = async {
            while let Some(done) = in_work.next().await {
                Settling::gather(done, &mut in_work).settle(subscription.as_mut()).await?;
            }
            Ok(())
        };
        tokio::time::timeout(FINISH_LIMIT, finish).await.unwrap_or(Ok(()))
    }

    /// Decodes a delivery and says what is to become of it once that is certain.
    fn work(&self, delivery: &Delivery, stop: CancellationToken) -> Work {
        let (tag, span) = (delivery.tag, self.span(delivery));
        // Of the request, whose log lines are found by it.
        let trace = delivery.traceparent.as_deref().and_then(TraceContext::parse);
        let trace_id = || trace.map(|trace| trace.trace_id());
        let done = move |settlement, span| Some(Done { tag, settlement, span });
        if delivery.body.len() > MAX_BODY_BYTES {
            let bytes = delivery.body.len();
            tracing::warn!(
                bytes,
                message_id = delivery.message_id,
                trace_id = trace_id(),
                "a huge message goes to the dead letters"
            );
            count("malformed");
            return Box::pin(ready(done(Settlement::Reject, span)));
        }
        let settlement = match UserEvent::decode(&delivery.body) {
            Ok(Decoded::User(event)) => {
                let (batcher, clock) = (self.batcher.clone(), Arc::clone(&self.clock));
                return Box::pin(async move {
                    let applied = apply((&batcher, &clock), *event, trace, stop);
                    done(scope(span.as_ref().map(Span::context), applied).await?, span)
                });
            }
            Ok(Decoded::UnknownType(kind)) => {
                tracing::debug!(kind, "an event of a type that is not for us");
                count("unknown_type");
                Settlement::Ack
            }
            Err(error @ DecodeError::UnknownMajor(_)) => {
                tracing::warn!(
                    %error,
                    message_id = delivery.message_id,
                    trace_id = trace_id(),
                    "an event waits for a newer release"
                );
                count("unknown_major");
                Settlement::Retry
            }
            Err(error @ DecodeError::Malformed(_)) => {
                tracing::warn!(
                    %error,
                    message_id = delivery.message_id,
                    trace_id = trace_id(),
                    "a message goes to the dead letters"
                );
                count("malformed");
                Settlement::Reject
            }
        };
        Box::pin(ready(done(settlement, span)))
    }

    /// Begins the span of a delivery, if it is to be recorded.
    fn span(&self, delivery: &Delivery) -> Option<Span> {
        let name = || Cow::Owned(format!("consume {}", self.place.name));
        let mut span = Span::continuing(delivery.traceparent.as_deref(), Kind::Consumer, name)?;
        span.set("messaging.system", self.place.system);
        span.set("messaging.operation.name", "consume");
        span.set("messaging.operation.type", "process");
        span.set("messaging.destination.name", self.place.name.clone());
        if let Some(id) = &delivery.message_id {
            span.set("messaging.message.id", id.clone());
        }
        Some(span)
    }
}
