//! Where the current time comes from: passed in, so that tests can hold it still.

use std::sync::{Arc, Mutex, PoisonError};

use time::{Duration, OffsetDateTime};

/// A source of the current time. Every time is UTC and cut to whole
/// microseconds, which is what PostgreSQL keeps: a time that was stored and read
/// back equals the one that was written.
pub trait Clock: Send + Sync + 'static {
    /// The current time, UTC, in whole microseconds.
    fn now(&self) -> OffsetDateTime;

    /// The current time where a server that several processes share says that it is `server`:
    /// that, so that a process whose own clock is wrong decides as the others do.
    fn agreed(&self, server: OffsetDateTime) -> OffsetDateTime {
        whole_microseconds(server)
    }
}

/// A clock that several parts hold.
pub type SharedClock = Arc<dyn Clock>;

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> OffsetDateTime {
        #[expect(clippy::disallowed_methods, reason = "the one place that asks the machine")]
        let now = OffsetDateTime::now_utc();
        whole_microseconds(now)
    }
}

/// A clock that moves only when it is told to. For tests.
#[derive(Debug)]
pub struct ManualClock(Mutex<OffsetDateTime>);

impl ManualClock {
    /// A clock that stands at `start`.
    #[must_use]
    pub fn new(start: OffsetDateTime) -> Arc<Self> {
        Arc::new(Self(Mutex::new(whole_microseconds(start))))
    }

    /// Moves the clock by `step`, backwards if it is negative.
    pub fn advance(&self, step: Duration) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) += step;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> OffsetDateTime {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn agreed(&self, _: OffsetDateTime) -> OffsetDateTime {
        self.now()
    }
}

/// Cuts a time to whole microseconds.
#[must_use]
pub fn whole_microseconds(at: OffsetDateTime) -> OffsetDateTime {
    at - Duration::nanoseconds(i64::from(at.nanosecond() % 1_000))
}

/// Microseconds since 1970, the form in which SQLite keeps times.
#[must_use]
pub fn to_micros(at: OffsetDateTime) -> i64 {
    // Years 0 to 9999, all that `time` holds, fit in 64 bits of microseconds.
    i64::try_from(at.unix_timestamp_nanos() / 1_000).unwrap_or(i64::MAX)
}

/// Milliseconds since 1970, the form in which user versions count.
#[must_use]
pub fn to_millis(at: OffsetDateTime) -> i64 {
    to_micros(at) / 1_000
}

/// The time that [`to_micros`] made a number of; nothing if it is out of range.
#[must_use]
pub fn from_micros(micros: i64) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1_000).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn microseconds_round_trip() {
        let now = SystemClock.now();
        assert_eq!(now.nanosecond() % 1_000, 0);
        assert_eq!(from_micros(to_micros(now)), Some(now));
    }
}
