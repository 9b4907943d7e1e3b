//! The sweep: books what has fallen due on accounts that nobody touches.
//!
//! It changes no balance that anybody sees, since every reader counts what is due as
//! booked. Any number of processes may run it: what one has settled, the next finds
//! settled.

use std::sync::Arc;
use std::time::Duration;

use accrue_chassis::telemetry::chain;
use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;

use crate::batcher::{Batcher, PostError};
use crate::ledger::{Command, Rejection};
use crate::store::{DuePosition, LedgerStore, StoreError};

/// How long it rests when it has found nothing more.
const REST: Duration = Duration::from_secs(5);
/// How many accounts it hands to the ledger at once: few, so that they delay nobody.
const AT_ONCE: u32 = 64;

/// Settles accounts as they fall due.
pub struct Sweep {
    store: Arc<dyn LedgerStore>,
    batcher: Batcher,
}

impl Sweep {
    /// A sweep over the accounts in `store`, by way of `batcher`.
    #[must_use]
    pub fn new(store: Arc<dyn LedgerStore>, batcher: Batcher) -> Self {
        Self { store, batcher }
    }

    /// Sweeps until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                swept = self.run_once() => match swept {
                    Ok(0) => {}
                    Ok(settled) => metrics::counter!("ledger_swept_accounts_total").increment(settled),
                    Err(error) => {
                        tracing::warn!(error = chain(&error), "accounts that are due could not be looked for");
                    }
                },
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(REST) => {}
            }
        }
    }

    /// Settles every account on which something is due. Says how many it settled; those
    /// that could not be are left for the next time.
    ///
    /// # Errors
    /// [`StoreError`] when they cannot be looked for.
    pub async fn run_once(&self) -> Result<u64, StoreError> {
        let mut settled = 0;
        let mut after: Option<DuePosition> = None;
        loop {
            let due = self.store.due_accounts(after.as_ref(), AT_ONCE).await?;
            let Some(last) = due.last().cloned() else { return Ok(settled) };
            let each = due.into_iter().map(|account| self.settle(account.user_id));
            settled += join_all(each).await.into_iter().map(u64::from).sum::<u64>();
            after = Some(last);
        }
    }

    async fn settle(&self, user_id: String) -> bool {
        match self.batcher.post_in_turn(Command::settle(user_id.clone())).await {
            Ok(Ok(_)) => true,
            Ok(Err(Rejection::BooksDisagree)) => {
                tracing::error!(
                    user_id,
                    "the account's balance and its allocations disagree: nothing is booked"
                );
                false
            }
            // The lane has logged what the store said.
            Ok(Err(_)) | Err(PostError::Overloaded | PostError::Stopped | PostError::Store(_)) => false,
        }
    }
}
