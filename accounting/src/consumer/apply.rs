//! Applies an event: posts it to the ledger until that has decided.

use accrue_chassis::backoff::Backoff;
use accrue_chassis::clock::SharedClock;
use accrue_chassis::telemetry::chain;
use accrue_chassis::traces::TraceContext;
use accrue_events::broker::Settlement;
use accrue_events::user::{UserEvent, UserEventKind};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::batcher::{Batcher, PostError};
use crate::ledger::{Command, Receipt, Rejection, UserChange};

/// Posts an event until the ledger has decided. A database that is away pauses
/// consumption here: the message is neither sent back nor charged.
pub(super) async fn apply(
    (batcher, clock): (&Batcher, &SharedClock),
    event: UserEvent,
    trace: Option<TraceContext>,
    stop: CancellationToken,
) -> Option<Settlement> {
    let (id, kind, occurred_at) = (event.id, event.kind, event.occurred_at);
    let trace_id = || trace.map(|trace| trace.trace_id());
    let command = Command::apply_user(event.user, Uuid::now_v7());
    let mut backoff = Backoff::for_reconnect();
    loop {
        match batcher.post_in_turn(command.clone()).await {
            Ok(Ok(receipt)) => {
                let is_new = receipt == Receipt::User(UserChange::Applied);
                count(if is_new { "applied" } else { "stale" });
                if is_new && kind == UserEventKind::Registered {
                    let lag = (clock.now() - occurred_at).as_seconds_f64().max(0.0);
                    metrics::histogram!("registration_to_account_lag_seconds").record(lag);
                }
                return Some(Settlement::Ack);
            }
            // Somebody else holds the account: in this process's memory it waits its turn.
            Ok(Err(Rejection::AccountBusy)) => {
                tokio::select! {
                    () = stop.cancelled() => return None,
                    () = tokio::time::sleep(backoff.next_wait()) => {}
                }
            }
            Ok(Err(rejection)) => {
                tracing::error!(%rejection, event_id = %id, trace_id = trace_id(), "the ledger rejected an event");
                count("rejected");
                return Some(Settlement::Reject);
            }
            Err(PostError::Store(error)) if !error.is_passing() => {
                tracing::error!(
                    error = chain(&*error),
                    event_id = %id,
                    trace_id = trace_id(),
                    "an event could not be stored; it will be retried"
                );
                count("refused");
                return Some(Settlement::Retry);
            }
            Err(PostError::Stopped) => return None,
            Err(PostError::Store(_) | PostError::Overloaded) => {
                tokio::select! {
                    () = stop.cancelled() => return None,
                    () = tokio::time::sleep(backoff.next_wait()) => {}
                }
            }
        }
    }
}

/// Counts what became of a delivery.
pub(super) fn count(outcome: &'static str) {
    metrics::counter!("events_consumed_total", "outcome" => outcome).increment(1);
}
