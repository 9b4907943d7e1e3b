//! Receives deliveries, which are rows that this subscription holds, and settles them.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use super::super::{BrokerError, Delivery, Place, Settlement, Subscriber, Subscription, Topology};
use super::SYSTEM;
use super::holding::{self, Held};
use super::owner::Owner;
use super::store::Store;

/// How often the queue is looked at when nothing in this process wakes us: another
/// process may have published, and retries fall due.
const POLL: Duration = Duration::from_millis(250);
/// How often messages of dead subscriptions are looked for.
const TAKE_OVER_EVERY: Duration = Duration::from_secs(1);

/// Opens subscriptions to the queue.
pub(super) struct EmbeddedSubscriber {
    store: Arc<Store>,
}

impl EmbeddedSubscriber {
    pub(super) fn new(store: Arc<Store>) -> Self {
        Self { store }
    }
}

#[async_trait]
impl Subscriber for EmbeddedSubscriber {
    async fn subscribe(&self, prefetch: u16) -> Result<Box<dyn Subscription>, BrokerError> {
        self.store.pool().await?;
        let owner = Owner::new(self.store.path()).await?;
        let mut subscription = EmbeddedSubscription {
            store: Arc::clone(&self.store),
            owner,
            prefetch: usize::from(prefetch),
            last_tag: 0,
            arrived: VecDeque::new(),
            held: HashMap::new(),
            is_claim_in_doubt: false,
            took_over_at: None,
            is_broken: false,
        };
        subscription.take_over().await?;
        Ok(Box::new(subscription))
    }

    fn place(&self) -> Place {
        Place { system: SYSTEM, name: Topology::default().queue() }
    }
}

struct EmbeddedSubscription {
    store: Arc<Store>,
    /// Its end frees what is held for others.
    owner: Owner,
    prefetch: usize,
    last_tag: u64,
    /// Claimed, and not yet passed on.
    arrived: VecDeque<Delivery>,
    /// Claimed and not settled, by tag.
    held: HashMap<u64, Held>,
    /// A claim was begun whose outcome was not seen.
    is_claim_in_doubt: bool,
    took_over_at: Option<Instant>,
    is_broken: bool,
}

impl EmbeddedSubscription {
    async fn try_next(&mut self) -> Result<Delivery, BrokerError> {
        loop {
            if let Some(delivery) = self.arrived.pop_front() {
                return Ok(delivery);
            }
            if self.held.len() >= self.prefetch && !self.is_claim_in_doubt {
                // Nothing comes before something is settled, for which the caller
                // drops this call.
                std::future::pending::<()>().await;
            }
            let store = Arc::clone(&self.store);
            let mut arrival = std::pin::pin!(store.arrivals.notified());
            // Registered before the queue is looked at: what comes in between must wake us.
            arrival.as_mut().enable();
            if self.took_over_at.is_none_or(|at| at.elapsed() >= TAKE_OVER_EVERY) {
                self.take_over().await?;
            }
            self.claim().await?;
            if self.arrived.is_empty() {
                tokio::select! {
                    () = arrival => {}
                    () = tokio::time::sleep(POLL) => {}
                }
            }
        }
    }

    /// Takes what waits, as far as the prefetch allows. Dropped half-way, the
    /// messages may be ours without our knowing: the next claim asks first.
    async fn claim(&mut self) -> Result<(), BrokerError> {
        let token = self.owner.token();
        let mut rows = if self.is_claim_in_doubt {
            holding::held_by(&self.store, token).await?
        } else {
            if !holding::is_any_waiting(&self.store).await? {
                return Ok(());
            }
            self.is_claim_in_doubt = true;
            holding::claim(&self.store, token, self.prefetch.saturating_sub(self.held.len())).await?
        };
        self.is_claim_in_doubt = false;
        rows.sort_unstable_by_key(|row| row.seq);
        let known: HashSet<i64> = self.held.values().map(|held| held.seq).collect();
        for row in rows.into_iter().filter(|row| !known.contains(&row.seq)) {
            self.last_tag += 1;
            self.held.insert(self.last_tag, Held { seq: row.seq, attempts: row.attempts });
            self.arrived.push_back(row.into_delivery(self.last_tag));
        }
        Ok(())
    }

    /// Frees what subscriptions hold that are no more.
    async fn take_over(&mut self) -> Result<(), BrokerError> {
        holding::free_dead(&self.store, self.owner.token()).await?;
        self.took_over_at = Some(Instant::now());
        Ok(())
    }

    fn check(&self) -> Result<(), BrokerError> {
        if self.is_broken { Err(BrokerError::Ended("it broke before")) } else { Ok(()) }
    }
}

#[async_trait]
impl Subscription for EmbeddedSubscription {
    async fn next(&mut self) -> Result<Delivery, BrokerError> {
        self.check()?;
        self.try_next().await.inspect_err(|_| self.is_broken = true)
    }

    async fn settle(&mut self, settlements: Vec<(u64, Settlement)>) -> Result<(), BrokerError> {
        self.check()?;
        // Broken until it is done: dropped half-way, it has forgotten some tags.
        self.is_broken = true;
        let settled = settlements
            .into_iter()
            .filter_map(|(tag, settlement)| self.held.remove(&tag).map(|held| (held, settlement)))
            .collect();
        holding::settle(&self.store, self.owner.token(), settled).await?;
        self.is_broken = false;
        Ok(())
    }

    async fn set_prefetch(&mut self, prefetch: u16) -> Result<(), BrokerError> {
        self.check()?;
        self.prefetch = usize::from(prefetch);
        Ok(())
    }
}
