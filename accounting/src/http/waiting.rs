//! Waiting for a user's event on behalf of requests: for a while, woken by the commit, few at once.

use std::sync::Arc;
use std::time::Duration;

use accrue_chassis::lifecycle::Lifecycle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};

use crate::arrivals::Arrivals;
use crate::ledger::AccountStatus;
use crate::store::{AccountView, LedgerStore, StoreError};

/// The longest wait, in seconds.
const LONGEST_S: u64 = 8;
/// How often the store is asked besides, since other processes take in events too.
const POLL: Duration = Duration::from_secs(1);
/// Requests that wait at once; those on top are answered without.
const PLACES: usize = 256;

/// What requests wait by.
#[derive(Clone)]
pub(crate) struct Waiting {
    arrivals: Arrivals,
    lifecycle: Lifecycle,
    places: Arc<Semaphore>,
    longest_s: u64,
}

/// A wait, and its place among those that there may be.
pub(super) struct Wait<'a> {
    waiting: &'a Waiting,
    seconds: u64,
    _place: OwnedSemaphorePermit,
}

impl Waiting {
    /// Waits end well before `deadline`, and take no more than a quarter of the `max_in_flight` requests
    /// that are answered at once.
    pub(crate) fn new(
        arrivals: Arrivals,
        lifecycle: Lifecycle,
        (deadline, max_in_flight): (Duration, usize),
    ) -> Self {
        let places = Arc::new(Semaphore::new(PLACES.min(max_in_flight / 4)));
        Self { arrivals, lifecycle, places, longest_s: LONGEST_S.min((deadline * 4 / 5).as_secs()) }
    }

    /// A wait of so many seconds, or the longest there is; none while too many wait.
    pub(super) fn begin(&self, wait_s: u64) -> Option<Wait<'_>> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        Some(Wait { waiting: self, seconds: wait_s.min(self.longest_s), _place: place })
    }
}

impl Wait<'_> {
    /// How long it is at most.
    pub(super) fn seconds(&self) -> u64 {
        self.seconds
    }

    /// The account as soon as its user is known, or what there is of it at the end. Ends at once when the
    /// process is to stop.
    pub(super) async fn for_account(
        &self,
        store: &Arc<dyn LedgerStore>,
        user_id: &str,
    ) -> Result<Option<AccountView>, StoreError> {
        let end = Instant::now() + Duration::from_secs(self.seconds);
        let Waiting { arrivals, lifecycle, .. } = self.waiting;
        let waiter = arrivals.wait_for(user_id);
        loop {
            // Before looking: an event that arrives while we look wakes us.
            let told = waiter.told();
            let found = store.account(user_id).await?;
            let is_known =
                found.as_ref().is_some_and(|view| view.account.status != AccountStatus::Placeholder);
            let now = Instant::now();
            if is_known || now >= end || lifecycle.is_stopping() {
                return Ok(found);
            }
            tokio::select! {
                () = told => {}
                () = sleep_until(end.min(now + POLL)) => {}
                () = lifecycle.stopping() => {}
            }
        }
    }
}
