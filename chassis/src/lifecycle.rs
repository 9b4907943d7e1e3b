//! How a process stops: what came in is finished, then the workers, then it is over.

use std::future::Future;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The two signals of a shutdown and the tasks that it waits for.
///
/// First `announced` is cancelled: readiness drops, so that whoever spreads requests
/// over several processes stops sending any here. A moment later `requests` is:
/// listeners close, what is in flight is answered. When that is done `workers` is cancelled: relay, consumer
/// and ledger lanes finish what they hold. Nothing here ends a task by force;
/// [`Lifecycle::drain`] says whether all of them ended in time.
#[derive(Debug, Clone, Default)]
pub struct Lifecycle {
    announced: CancellationToken,
    requests: CancellationToken,
    workers: CancellationToken,
    request_tasks: TaskTracker,
    worker_tasks: TaskTracker,
}

/// A task that was meant to finish and did not: it panicked, or the process is ending.
#[derive(Debug, thiserror::Error)]
#[error("a task that should have finished did not")]
pub struct TaskLost(#[source] tokio::task::JoinError);

impl Lifecycle {
    /// A process that runs, until [`Lifecycle::stop`].
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Says that the shutdown is near: readiness drops, requests are still served.
    pub fn announce_stop(&self) {
        self.announced.cancel();
    }

    /// Begins the shutdown.
    pub fn stop(&self) {
        self.announced.cancel();
        self.requests.cancel();
    }

    /// True once the shutdown was announced.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.announced.is_cancelled()
    }

    /// Resolves when the shutdown begins: no request is to be taken any more.
    pub async fn stopping(&self) {
        self.requests.cancelled().await;
    }

    /// The signal for background workers, which stop after the last request.
    #[must_use]
    pub fn worker_token(&self) -> CancellationToken {
        self.workers.clone()
    }

    /// Starts a task that belongs to a request or a connection.
    pub fn spawn_request<F>(&self, task: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.request_tasks.spawn(task)
    }

    /// Starts a worker, which is to end soon after [`Lifecycle::worker_token`] is cancelled.
    pub fn spawn_worker<F>(&self, task: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.worker_tasks.spawn(task)
    }

    /// Runs `work` to its end even when the caller is dropped half-way, as axum
    /// drops a handler whose client has gone. A database driver's future that is
    /// dropped in the middle leaves its connection in doubt.
    ///
    /// # Errors
    /// [`TaskLost`] when the work panicked.
    pub async fn run_to_end<F>(&self, work: F) -> Result<F::Output, TaskLost>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.spawn_request(work).await.map_err(TaskLost)
    }

    /// Waits for requests, then for workers, for `limit` in all. Returns whether
    /// everything ended; what did not is lost with the process, as by kill -9.
    pub async fn drain(&self, limit: Duration) -> bool {
        self.stop();
        let drained = tokio::time::timeout(limit, async {
            self.request_tasks.close();
            self.request_tasks.wait().await;
            self.workers.cancel();
            self.worker_tasks.close();
            self.worker_tasks.wait().await;
        })
        .await;
        self.workers.cancel();
        drained.is_ok()
    }
}

/// Resolves at the first SIGINT (Ctrl-C) or SIGTERM.
///
/// # Errors
/// When the process may not install signal handlers.
pub async fn termination_signal() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn workers_outlive_requests() {
        let lifecycle = Lifecycle::new();
        let workers = lifecycle.worker_token();
        let seen = workers.clone();
        lifecycle.spawn_request(async move {
            tokio::task::yield_now().await;
            assert!(!seen.is_cancelled(), "a worker was stopped under a request");
        });
        lifecycle.spawn_worker(async move { workers.cancelled().await });
        assert!(lifecycle.drain(Duration::from_secs(5)).await);
    }

    #[tokio::test]
    async fn work_ends_though_its_caller_is_dropped() {
        let lifecycle = Lifecycle::new();
        let (tell, told) = tokio::sync::oneshot::channel();
        let worker = lifecycle.clone();
        let caller = worker.run_to_end(async move {
            tokio::task::yield_now().await;
            tell.send(()).expect("the test waits");
        });
        {
            let mut caller = std::pin::pin!(caller);
            assert!(futures_util::poll!(&mut caller).is_pending());
        }
        told.await.expect("the work went on after its caller was dropped");
    }
}
