//! Clients that keep the services busy, and the history of what each was answered.

mod client;
mod life;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{OwnedRwLockWriteGuard, RwLock};
use tokio::task::JoinSet;

use crate::dice::Dice;
use crate::load::client::Client;
pub(crate) use crate::load::client::log_in;
use crate::operation::Operation;
use crate::target::Target;

/// How clients behave.
#[derive(Debug, Clone)]
pub(crate) struct Manner {
    /// Begins the names of users and keys.
    pub(crate) name: String,
    pub(crate) clients: usize,
    /// How often a client hangs up before the answer.
    pub(crate) hangs_up_percent: i64,
    /// How often a request goes to two processes at once.
    pub(crate) doubles_percent: i64,
    /// How often credits of an account that all clients use are spent, instead of one's own.
    pub(crate) shares_percent: i64,
    /// Seconds after which credits and holds end by themselves at the earliest: longer than a run.
    pub(crate) soonest_end: i64,
    /// Those accounts' users.
    pub(crate) shared: Vec<String>,
}

/// Clients at work.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    gate: Arc<RwLock<()>>,
    clients: JoinSet<Vec<Operation>>,
}

/// While it lives no client asks for anything.
pub(crate) struct Paused(#[expect(dead_code, reason = "it is there to end")] OwnedRwLockWriteGuard<()>);

impl Load {
    pub(crate) fn start(target: &Target, manner: &Manner, mut dice: impl FnMut(u64) -> Dice) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let gate = Arc::new(RwLock::new(()));
        let mut clients = JoinSet::new();
        for number in 0..manner.clients {
            let dice = dice(number as u64);
            let client = Client::new(target.clone(), manner, number, dice, Arc::clone(&gate));
            clients.spawn(client.work(Arc::clone(&stop)));
        }
        Self { stop, gate, clients }
    }

    /// Waits until no request is under way, and lets none begin.
    pub(crate) async fn pause(&self) -> Paused {
        Paused(Arc::clone(&self.gate).write_owned().await)
    }

    /// Lets every client finish what it is at and gives the history of all.
    pub(crate) async fn stop(self) -> Vec<Operation> {
        self.stop.store(true, Ordering::Relaxed);
        self.clients.join_all().await.into_iter().flatten().collect()
    }
}
