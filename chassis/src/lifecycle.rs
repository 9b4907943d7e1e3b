//! How a process stops: what came in is finished, then the workers, then it is over.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

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
    has_failed: Arc<AtomicBool>,
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
    /// One that panics ends the process: without it the rest would only seem to work.
    pub fn spawn_worker<F>(&self, task: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let watch = WorkerWatch(self.clone());
        self.worker_tasks.spawn(async move {
            let _watch = watch;
            task.await
        })
    }

    /// Whether a worker has failed, so that the process ends with an error.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.has_failed.load(Ordering::Acquire)
    }

    /// Runs `work` to its end even when the caller is dropped half-way, as axum
    /// drops a handler whose client has gone. A database driver's future that is
    /// dropped in the middle leaves its connection in doubt. What it logs is the request's still.
    ///
    /// # Errors
    /// [`TaskLost`] when the work panicked.
    pub async fn run_to_end<F>(&self, work: F) -> Result<F::Output, TaskLost>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.spawn_request(work.in_current_span()).await.map_err(TaskLost)
    }

    /// Waits for requests, for two thirds of `limit` at most, so that a client which
    /// never ends leaves time for the workers; then for workers. Returns whether
    /// everything ended; what did not is lost with the process, as by kill -9.
    pub async fn drain(&self, limit: Duration) -> bool {
        self.stop();
        let ended = tokio::time::Instant::now() + limit;
        self.request_tasks.close();
        let requests = tokio::time::timeout(limit * 2 / 3, self.request_tasks.wait()).await;
        self.workers.cancel();
        self.worker_tasks.close();
        let workers = tokio::time::timeout_at(ended, self.worker_tasks.wait()).await;
        requests.is_ok() && workers.is_ok()
    }
}

/// Notices a worker that panics: it is dropped while the task unwinds.
struct WorkerWatch(Lifecycle);

impl Drop for WorkerWatch {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!("a worker panicked; the process ends");
            self.0.has_failed.store(true, Ordering::Release);
            self.0.stop();
        }
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
    async fn a_worker_that_panics_ends_the_process() {
        let lifecycle = Lifecycle::new();
        let worker = lifecycle.spawn_worker(async { panic!("on purpose") });
        let (): () = worker.await.expect_err("it panicked").is_panic().then_some(()).expect("a panic");
        assert!(lifecycle.has_failed() && lifecycle.is_stopping());
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
