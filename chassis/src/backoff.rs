//! How long to wait before trying again: growing, jittered, capped, without end.

use std::time::Duration;

use rand::RngExt as _;

/// Waits that double from `first` to `cap`, each cut to a random part of itself,
/// so that many processes that lost the same server do not return to it as one.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    cap: Duration,
    next: Duration,
}

impl Backoff {
    /// A backoff that starts at `first` and never waits longer than `cap`.
    #[must_use]
    pub fn new(first: Duration, cap: Duration) -> Self {
        Self { first, cap, next: first }
    }

    /// For a server that is out of reach: 100 ms up to 5 s.
    #[must_use]
    pub fn for_reconnect() -> Self {
        Self::new(Duration::from_millis(100), Duration::from_secs(5))
    }

    /// The next wait: between half of the current step and all of it.
    pub fn next_wait(&mut self) -> Duration {
        let step = self.next;
        self.next = (step * 2).min(self.cap);
        step.mul_f64(rand::rng().random_range(0.5..=1.0))
    }

    /// Starts again from the first wait. To be called when a try has succeeded.
    pub fn reset(&mut self) {
        self.next = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_to_its_cap_and_starts_again() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_millis(400));
        let waits: Vec<u128> = (0..5).map(|_| backoff.next_wait().as_millis()).collect();
        for (wait, step) in waits.iter().zip([100, 200, 400, 400, 400]) {
            assert!((step / 2..=step).contains(wait), "waited {wait} ms of a step of {step} ms");
        }
        backoff.reset();
        assert!(backoff.next_wait() <= Duration::from_millis(100));
    }
}
