//! The sweep: books what has fallen due on accounts that nobody touches.
//!
//! It changes no balance that anybody sees, since every reader counts what is due as
//! booked. Any number of processes may run it: what one has settled, the next finds
//! settled.

use std::sync::Arc;
use std::time::{Duration, Instant};

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

/// For how long it settles one account in steps before it turns to others: very much can be
/// due on it, or somebody else holds it locked.
const PATIENCE: Duration = Duration::from_secs(10);

/// What became of one account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Swept {
    Settled,
    /// For the next time.
    Left,
    /// The store failed on the batch that it was in.
    Failed,
}

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
            let each = due.into_iter().map(async |account| {
                let outcome = self.settle(&account.user_id).await;
                (account.user_id, outcome)
            });
            let outcomes = join_all(each).await;
            settled += outcomes.iter().filter(|(_, outcome)| *outcome == Swept::Settled).count() as u64;
            // One of them may have held up the others of its batch: each by itself, then.
            for (user_id, _) in outcomes.iter().filter(|(_, outcome)| *outcome == Swept::Failed) {
                settled += u64::from(self.settle(user_id).await == Swept::Settled);
            }
            after = Some(last);
        }
    }

    /// Settles an account, in as many steps as it takes.
    async fn settle(&self, user_id: &str) -> Swept {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            match self.batcher.post_in_turn(Command::settle(user_id.to_owned())).await {
                Ok(Ok(_)) => return Swept::Settled,
                Ok(Err(Rejection::AccountBusy)) => {}
                Ok(Err(Rejection::BooksDisagree)) => {
                    tracing::error!(
                        user_id,
                        "the account's balance and its allocations disagree: nothing is booked"
                    );
                    return Swept::Left;
                }
                // The lane has logged what the store said.
                Err(PostError::Store(_)) => return Swept::Failed,
                Ok(Err(_)) | Err(PostError::Overloaded | PostError::Stopped) => return Swept::Left,
            }
        }
        Swept::Left
    }
}
