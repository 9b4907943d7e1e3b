//! How long a mail is tried, and whose fault it is when the server breaks off over it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use time::OffsetDateTime;

/// How many faults of its own a mail is given up for, over about three days.
const MAX_FAULTS: u32 = 14;
/// From the first try to the next one; doubled each time.
const FIRST_WAIT: Duration = Duration::from_mins(1);
/// The longest wait between two tries.
const MAX_WAIT: Duration = Duration::from_hours(6);

/// How long a mail waits that was put off this many times before.
pub(super) fn wait_after(tries: u32) -> Duration {
    (FIRST_WAIT * 2_u32.saturating_pow(tries.min(16))).min(MAX_WAIT)
}

/// Whether a mail is given up at its next fault, with this many before it.
pub(super) fn is_the_last(faults: u32) -> bool {
    faults + 1 >= MAX_FAULTS
}

/// When the server last took a mail from here: evidence that it works.
#[derive(Default)]
pub(super) struct LastTaken(Mutex<Option<OffsetDateTime>>);

impl LastTaken {
    /// It took one at `now`.
    pub(super) fn note(&self, now: OffsetDateTime) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
    }

    /// Whether it has taken another mail since it last broke off over the one that was
    /// put off this many times and is due again: then it works, and that mail is at
    /// fault. What it took from another process, or before a restart, is not known
    /// here; the mail is then not blamed.
    pub(super) fn is_after_the_last_of(&self, tries: u32, now: OffsetDateTime) -> bool {
        let Some(before) = tries.checked_sub(1) else {
            return false;
        };
        let taken = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        taken.is_some_and(|taken| taken > now - wait_after(before))
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn waits_double_up_to_six_hours() {
        let waits = [0, 1, 2, 8, 9, 200].map(|tries| wait_after(tries).as_secs() / 60);
        assert_eq!(waits, [1, 2, 4, 256, 360, 360]);
    }

    #[test]
    fn a_mail_is_to_blame_if_another_was_taken_between_its_tries() {
        let (noon, taken) = (datetime!(2026-01-02 12:00 UTC), LastTaken::default());
        assert!(!taken.is_after_the_last_of(3, noon), "none was ever taken");
        taken.note(noon - Duration::from_mins(3));
        assert!(taken.is_after_the_last_of(3, noon), "its last try was four minutes ago");
        assert!(!taken.is_after_the_last_of(2, noon), "its last try was two minutes ago");
        assert!(!taken.is_after_the_last_of(0, noon), "it is tried for the first time");
    }
}
