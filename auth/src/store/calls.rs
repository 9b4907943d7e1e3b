//! Calls to a database driver: run to their end, waited for until a deadline.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};
use tokio_util::task::TaskTracker;

use super::StoreError;

/// How long a caller waits.
const CALL_LIMIT: Duration = Duration::from_secs(5);
/// How long whoever changes the schema waits: an index over many users takes its time.
const MIGRATION_LIMIT: Duration = Duration::from_mins(2);
/// Calls under way at once. A server that stopped answering keeps calls that
/// nobody waits for any more; their number must not grow.
const MAX_CALLS: usize = 256;

/// Runs each call in a task of its own. A caller that leaves, or whose deadline
/// passes, does not cut the driver's future in two.
#[derive(Debug, Clone)]
pub(super) struct Calls {
    tasks: TaskTracker,
    places: Arc<Semaphore>,
    limit: Duration,
}

/// The deadline passed; what was asked for may still happen.
#[derive(Debug, thiserror::Error)]
#[error("no answer within {} s", .0.as_secs())]
struct NoAnswer(Duration);

impl Calls {
    pub(super) fn new() -> Self {
        Self { tasks: TaskTracker::new(), places: Arc::new(Semaphore::new(MAX_CALLS)), limit: CALL_LIMIT }
    }

    /// The same calls, waited for as long as a change of the schema may take.
    pub(super) fn for_migration(&self) -> Self {
        Self { limit: MIGRATION_LIMIT, ..self.clone() }
    }

    /// Runs `call` to its end and waits for it until the deadline.
    pub(super) async fn run<T, F>(&self, call: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        let deadline = Instant::now() + self.limit;
        let late = |_| StoreError::unavailable(NoAnswer(self.limit));
        let place = timeout_at(deadline, Arc::clone(&self.places).acquire_owned()).await.map_err(late)?;
        let place = place.map_err(StoreError::unavailable)?;
        let task = self.tasks.spawn(async move {
            let _held = place;
            call.await
        });
        timeout_at(deadline, task).await.map_err(late)?.map_err(StoreError::unavailable)?
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn a_call_outlives_its_caller() {
        let calls = Calls::new();
        let (go, gone) = oneshot::channel::<()>();
        let (tell, told) = oneshot::channel();
        {
            let caller = calls.run(async move {
                gone.await.map_err(StoreError::unavailable)?;
                tell.send(7).map_err(|_| StoreError::unavailable("nobody listens"))
            });
            let mut caller = std::pin::pin!(caller);
            assert!(futures_util::poll!(&mut caller).is_pending());
        }
        go.send(()).expect("the call waits though its caller is gone");
        assert_eq!(told.await, Ok(7));
    }

    #[tokio::test]
    async fn a_server_that_never_answers_holds_no_more_than_its_places() {
        let calls =
            Calls { places: Arc::new(Semaphore::new(1)), limit: Duration::from_millis(20), ..Calls::new() };
        for _ in 0..3 {
            let answer = calls.run(std::future::pending::<Result<(), _>>()).await;
            assert!(matches!(answer, Err(StoreError::Unavailable(_))));
        }
        assert_eq!(calls.tasks.len(), 1);
    }
}
