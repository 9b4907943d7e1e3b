//! So many a second, and no burst after a pause that makes up for it.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// How late one may be and the next still come when it would have come: timers are no finer
/// than a millisecond, and what is caught up on stays within a tenth of a second.
const SLACK: Duration = Duration::from_millis(100);

/// Lets through so many a second.
#[derive(Debug)]
pub struct Pace {
    /// Zero where there is no limit.
    interval: Duration,
    next: Instant,
}

impl Pace {
    /// `rate` a second, and a tenth more in the first after a pause; as they come where none is
    /// given.
    #[must_use]
    pub fn new(rate: Option<u32>) -> Self {
        let interval = rate.map_or(Duration::ZERO, |rate| Duration::from_secs(1) / rate.max(1));
        Self { interval, next: Instant::now() }
    }

    /// Waits until the next one may go.
    pub async fn wait(&mut self) {
        if !self.interval.is_zero() {
            sleep_until(self.turn(Instant::now())).await;
        }
    }

    /// When it is the turn of who comes now.
    fn turn(&mut self, now: Instant) -> Instant {
        let turn = now.checked_sub(SLACK).map_or(self.next, |earliest| self.next.max(earliest));
        self.next = turn + self.interval;
        turn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many go through within a second from `begin`, of those who all come as soon as they can.
    fn in_a_second(pace: &mut Pace, begin: Instant) -> u32 {
        let mut now = begin;
        let mut count = 0;
        loop {
            now = now.max(pace.turn(now));
            if now >= begin + Duration::from_secs(1) {
                return count;
            }
            count += 1;
        }
    }

    #[test]
    fn a_pause_is_not_caught_up_on() {
        for rate in [1, 10, 1_000] {
            let mut pace = Pace::new(Some(rate));
            let begin = pace.next;
            let quiet = in_a_second(&mut pace, begin);
            let after_a_pause = in_a_second(&mut pace, begin + Duration::from_mins(1));
            assert_eq!(quiet, rate);
            assert!((rate..=rate + rate / 10 + 1).contains(&after_a_pause), "{after_a_pause} of {rate}");
        }
    }

    #[test]
    fn a_timer_that_is_late_costs_nothing() {
        let mut pace = Pace::new(Some(1_000));
        let begin = pace.next;
        let mut now = begin;
        for _ in 0..1_000 {
            now = now.max(pace.turn(now) + Duration::from_millis(5));
        }
        assert!(now - begin < Duration::from_millis(1_010), "{:?}", now - begin);
    }
}
