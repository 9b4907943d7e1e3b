//! The one door to the ledger: commands gather while the batch before is committed.
//!
//! No timer: a command that finds its lane idle is posted at once, and a busy lane
//! spreads its round trips and its fsync over everything that has come meanwhile.

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use accrue_chassis::backoff::Backoff;
use accrue_chassis::lifecycle::Lifecycle;
use accrue_chassis::telemetry::chain;
use accrue_chassis::traces::{self, Kind, Span, TraceContext};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::arrivals::Arrivals;
use crate::ledger::{Action, Command, Policies, Receipt, Rejection};
use crate::store::{LedgerStore, Posted, StoreError};

/// Commands in one batch at most.
const MAX_BATCH: usize = 256;
/// Commands that wait in one lane at most; past it requests are refused.
const LANE_QUEUE: usize = 1_024;
/// For how long a batch that meets a fault which may pass is posted again. Each
/// command carries what makes that harmless, even when the fault hid a commit.
/// Long enough to get past every connection that a restarted server has broken. A
/// request whose batch takes longer is told by its deadline that the outcome is open.
const RETRY_WINDOW: Duration = Duration::from_secs(2);

/// Where commands are handed in. Clones share the lanes.
#[derive(Clone)]
pub struct Batcher {
    lanes: Arc<[mpsc::Sender<Job>]>,
    committed: Arc<Notify>,
    arrivals: Arrivals,
}

struct Job {
    command: Command,
    asker: Asker,
}

/// Who waits for what becomes of a command.
struct Asker {
    answer: Option<oneshot::Sender<Result<Decision, PostError>>>,
    /// What it is asked within, where that is traced.
    trace: Option<TraceContext>,
}

/// What the ledger decided.
pub type Decision = Result<Receipt, Rejection>;

/// Why the ledger decided nothing.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PostError {
    /// Too many commands wait. Nothing was done.
    #[error("too many commands wait for the ledger")]
    Overloaded,
    /// The process is shutting down. Nothing was done.
    #[error("the ledger is shutting down")]
    Stopped,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] Arc<StoreError>),
}

impl Batcher {
    /// Starts as many lanes as `store` takes batches side by side. They end when the
    /// workers of `lifecycle` are stopped and what they had taken in is done.
    #[must_use]
    pub fn start(store: &Arc<dyn LedgerStore>, policies: Policies, lifecycle: &Lifecycle) -> Self {
        let (committed, arrivals) = (Arc::new(Notify::new()), Arrivals::default());
        let lanes = (0..store.lanes())
            .map(|_| {
                let (sender, jobs) = mpsc::channel(LANE_QUEUE);
                let (store, committed) = (Arc::clone(store), Arc::clone(&committed));
                let lane = Lane { store, policies, committed, arrivals: arrivals.clone() };
                lifecycle.spawn_worker(lane.run(jobs, lifecycle.worker_token()));
                sender
            })
            .collect();
        Self { lanes, committed, arrivals }
    }

    /// Notified after every batch that was committed: what waits for what batches write
    /// need not look for it.
    #[must_use]
    pub fn committed(&self) -> Arc<Notify> {
        Arc::clone(&self.committed)
    }

    /// Who waits for users' events: told when one is committed.
    pub(crate) fn arrivals(&self) -> Arrivals {
        self.arrivals.clone()
    }

    /// Posts a command that somebody waits for: refused at once when the lane is full.
    ///
    /// # Errors
    /// [`PostError`]. After `Store` whether it took effect is not known: post it again
    /// to find out.
    pub async fn post(&self, command: Command) -> Result<Decision, PostError> {
        let (asker, answered) = Asker::new();
        let lane = self.lane(&command.user_id);
        lane.try_send(Job { command, asker }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => PostError::Overloaded,
            mpsc::error::TrySendError::Closed(_) => PostError::Stopped,
        })?;
        answered.await.unwrap_or(Err(PostError::Stopped))
    }

    /// Posts a command that can wait its turn, such as an event's.
    ///
    /// # Errors
    /// As [`Batcher::post`], but never `Overloaded`.
    pub async fn post_in_turn(&self, command: Command) -> Result<Decision, PostError> {
        let (asker, answered) = Asker::new();
        let lane = self.lane(&command.user_id);
        lane.send(Job { command, asker }).await.map_err(|_| PostError::Stopped)?;
        answered.await.unwrap_or(Err(PostError::Stopped))
    }

    /// Commands of one user always take the same lane, and so stay in order.
    fn lane(&self, user_id: &str) -> &mpsc::Sender<Job> {
        let mut hasher = DefaultHasher::new();
        user_id.hash(&mut hasher);
        let lanes = self.lanes.len() as u64;
        let index = usize::try_from(hasher.finish() % lanes).unwrap_or(0);
        &self.lanes[index]
    }
}

struct Lane {
    store: Arc<dyn LedgerStore>,
    policies: Policies,
    committed: Arc<Notify>,
    arrivals: Arrivals,
}

impl Lane {
    async fn run(self, mut jobs: mpsc::Receiver<Job>, stop: CancellationToken) {
        let mut batch = Vec::with_capacity(MAX_BATCH);
        loop {
            let taken = tokio::select! {
                biased;
                taken = jobs.recv_many(&mut batch, MAX_BATCH) => taken,
                () = stop.cancelled(), if !jobs.is_closed() => {
                    jobs.close();
                    continue;
                }
            };
            if taken == 0 {
                return;
            }
            self.settle(std::mem::take(&mut batch)).await;
        }
    }

    /// Posts a batch and answers each of its commands.
    async fn settle(&self, mut jobs: Vec<Job>) {
        // Whoever has stopped waiting was told nothing, so nothing need be done.
        jobs.retain(|job| !job.asker.has_gone());
        let (commands, askers): (Vec<_>, Vec<_>) =
            jobs.into_iter().map(|job| (job.command, job.asker)).unzip();
        let mut askers = askers;
        let begun = askers.iter().any(|asker| asker.trace.is_some()).then(traces::now);
        let whole: Range<usize> = 0..commands.len();
        let mut parts = Vec::from([whole]);
        while let Some(part) = parts.pop().filter(|part| !part.is_empty()) {
            match self.post(&commands[part.clone()]).await {
                Ok(posted) => {
                    self.committed.notify_one();
                    let of_users = |command: &&Command| matches!(command.action, Action::ApplyUser { .. });
                    let heard_of = commands[part.clone()].iter().filter(of_users);
                    self.arrivals.tell(heard_of.map(|command| command.user_id.as_str()));
                    let size = part.len();
                    for (asker, decision) in askers[part].iter_mut().zip(posted) {
                        asker.tell(Ok(decision), begun, size);
                    }
                }
                Err(error) if part.len() > 1 && !error.is_passing() => {
                    // One of them is at fault: halving finds it and lets the others through.
                    let middle = part.start + part.len() / 2;
                    parts.extend([middle..part.end, part.start..middle]);
                }
                Err(error) => {
                    let error = Arc::new(error);
                    tracing::error!(
                        error = chain(&*error),
                        commands = part.len(),
                        "the ledger could not be written"
                    );
                    let size = part.len();
                    for asker in &mut askers[part] {
                        asker.tell(Err(PostError::Store(Arc::clone(&error))), begun, size);
                    }
                }
            }
        }
    }

    async fn post(&self, commands: &[Command]) -> Result<Posted, StoreError> {
        #[expect(clippy::cast_precision_loss, reason = "a batch is far smaller than 2^52")]
        metrics::histogram!("ledger_batch_size").record(commands.len() as f64);
        let mut backoff = Backoff::new(Duration::from_millis(20), Duration::from_millis(500));
        let begun = Instant::now();
        loop {
            let start = Instant::now();
            let posted = self.store.post(commands, self.policies).await;
            metrics::histogram!("ledger_batch_duration_seconds").record(start.elapsed().as_secs_f64());
            match posted {
                Err(error) if error.is_passing() && begun.elapsed() < RETRY_WINDOW => {
                    tracing::warn!(error = chain(&error), "a batch failed and is posted again");
                    tokio::time::sleep(backoff.next_wait()).await;
                }
                posted => return posted,
            }
        }
    }
}

impl Asker {
    /// One who waits, and where the answer comes.
    fn new() -> (Self, oneshot::Receiver<Result<Decision, PostError>>) {
        let (answer, answered) = oneshot::channel();
        (Self { answer: Some(answer), trace: TraceContext::current() }, answered)
    }

    fn has_gone(&self) -> bool {
        self.answer.as_ref().is_none_or(oneshot::Sender::is_closed)
    }

    /// Answers. What was asked within a trace has a span there: that of its batch, which
    /// had `size` commands and was `begun` at that time.
    fn tell(&mut self, result: Result<Decision, PostError>, begun: Option<SystemTime>, size: usize) {
        let commit = self.trace.and_then(|trace| {
            Span::begin_at(trace.child(), Kind::Internal, || Cow::Borrowed("ledger commit"), begun)
        });
        if let Some(mut span) = commit {
            span.set("accrue.batch.size", i64::try_from(size).unwrap_or(i64::MAX));
            if result.is_err() {
                span.fail("store");
            }
        }
        if let Some(answer) = self.answer.take() {
            // The one who asked may have gone; what was decided stands.
            drop(answer.send(result));
        }
    }
}
