//! Who waits for a user's event: woken by the commit in this process that takes it in.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

/// Those who wait, by the user whom they wait for. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Arrivals(Arc<Mutex<HashMap<String, Awaited>>>);

struct Awaited {
    told: Arc<Notify>,
    /// How many wait; the last to leave takes the entry along.
    waiting: usize,
}

/// One who waits, until it is dropped.
pub(crate) struct Waiter {
    arrivals: Arrivals,
    user_id: String,
    told: Arc<Notify>,
}

impl Arrivals {
    /// Begins to wait for `user_id`.
    pub(crate) fn wait_for(&self, user_id: &str) -> Waiter {
        let mut all = self.all();
        let awaited =
            all.entry(user_id.to_owned()).or_insert_with(|| Awaited { told: Arc::default(), waiting: 0 });
        awaited.waiting += 1;
        let told = Arc::clone(&awaited.told);
        Waiter { arrivals: self.clone(), user_id: user_id.to_owned(), told }
    }

    /// Wakes whoever waits for one of `user_ids`, whose events are committed.
    pub(crate) fn tell<'a>(&self, user_ids: impl Iterator<Item = &'a str>) {
        let all = self.all();
        if all.is_empty() {
            return;
        }
        for awaited in user_ids.filter_map(|user_id| all.get(user_id)) {
            awaited.told.notify_waiters();
        }
    }

    fn all(&self) -> MutexGuard<'_, HashMap<String, Awaited>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiter {
    /// Resolves when the user's event is told of after this call, even if that is before it is polled: so
    /// whoever looks between the two misses nothing.
    pub(crate) fn told(&self) -> Notified<'_> {
        self.told.notified()
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let mut all = self.arrivals.all();
        if let Some(awaited) = all.get_mut(&self.user_id) {
            awaited.waiting -= 1;
            if awaited.waiting == 0 {
                all.remove(&self.user_id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use futures_util::poll;

    use super::*;

    #[tokio::test]
    async fn those_who_wait_for_a_user_are_told_and_nobody_else() {
        let arrivals = Arrivals::default();
        arrivals.tell(["ada"].into_iter());
        let (one, other, bob) =
            (arrivals.wait_for("ada"), arrivals.wait_for("ada"), arrivals.wait_for("bob"));
        let (mut one_told, mut other_told, mut bob_told) =
            (Box::pin(one.told()), Box::pin(other.told()), Box::pin(bob.told()));
        // Nobody has polled yet.
        arrivals.tell(["eve", "ada"].into_iter());
        assert_eq!((poll!(&mut one_told), poll!(&mut other_told)), (Poll::Ready(()), Poll::Ready(())));
        assert_eq!(poll!(&mut bob_told), Poll::Pending);
        assert_eq!(poll!(Box::pin(one.told())), Poll::Pending, "what came before is over");
        drop((one_told, other_told, bob_told));
        drop((one, bob));
        assert_eq!(arrivals.all().keys().collect::<Vec<_>>(), ["ada"]);
        drop(other);
        assert!(arrivals.all().is_empty());
    }
}
