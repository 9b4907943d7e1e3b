//! Asking the directory within bounds: a time limit, few at once, and not while it does not answer.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use accrue_chassis::telemetry::chain;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use super::circuit::Circuit;
use super::{DirectoryError, Presence, UserDirectory};

/// How long one answer is waited for.
const LIMIT: Duration = Duration::from_millis(500);
/// How long all answers for one request are waited for.
const REQUEST_LIMIT: Duration = Duration::from_secs(2);
/// Questions under way at once, of all requests: auth has other work.
const AT_ONCE: usize = 64;

/// The directory, asked within bounds.
pub(crate) struct Checks {
    directory: Arc<dyn UserDirectory>,
    circuit: Mutex<Circuit>,
    places: Semaphore,
    limit: Duration,
    request_limit: Duration,
}

impl Checks {
    /// Asks `directory` such that requests still end within `deadline`.
    pub(crate) fn new(directory: Arc<dyn UserDirectory>, deadline: Duration) -> Self {
        Self {
            directory,
            circuit: Mutex::default(),
            places: Semaphore::new(AT_ONCE),
            limit: LIMIT.min(deadline / 4),
            request_limit: REQUEST_LIMIT.min(deadline / 4),
        }
    }

    /// When a request that begins now is to have all its answers.
    pub(crate) fn request_ends(&self) -> Instant {
        Instant::now() + self.request_limit
    }

    /// What auth says of the user; nothing if it does not say by `end`, or in time.
    pub(crate) async fn check(&self, user_id: &str, end: Instant) -> Option<Presence> {
        let begun = Instant::now();
        let presence = if begun < end && self.circuit().admits(begun) {
            self.ask(user_id, (begun + self.limit).min(end)).await
        } else {
            Err("not_asked")
        };
        let outcome = match presence {
            Ok(Presence::Alive) => "alive",
            Ok(Presence::Deleted) => "deleted",
            Ok(Presence::Unknown) => "unknown",
            Err(outcome) => outcome,
        };
        metrics::counter!("unknown_user_checks_total", "outcome" => outcome).increment(1);
        presence.ok()
    }

    async fn ask(&self, user_id: &str, end: Instant) -> Result<Presence, &'static str> {
        let asking = async {
            let _place = self.places.acquire().await;
            self.directory.look_up(user_id).await
        };
        let failure = match timeout_at(end, asking).await {
            Ok(Ok(presence)) => {
                if self.circuit().succeeded() {
                    tracing::info!("auth answers again");
                }
                return Ok(presence);
            }
            Ok(Err(error)) => error,
            Err(late) => DirectoryError::Unreachable(late.into()),
        };
        if self.circuit().failed(Instant::now()) {
            tracing::warn!(
                error = chain(&failure),
                "auth is not asked after users for a while: their accounts are opened as placeholders"
            );
        } else {
            tracing::debug!(error = chain(&failure), "auth did not say whether it has a user");
        }
        Err("unavailable")
    }

    fn circuit(&self) -> MutexGuard<'_, Circuit> {
        self.circuit.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
