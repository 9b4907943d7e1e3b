//! A circuit breaker: whoever does not answer several times in a row is left alone for a while.

use std::time::Duration;

use tokio::time::Instant;

/// So many failures in a row open it.
const FAILURES: u32 = 5;
/// For how long nobody is let through then; after it one is, to see.
const PAUSE: Duration = Duration::from_secs(10);

/// Whether to ask. Whoever is let through says how it went; who does not say, as one whose
/// caller has left, changes nothing.
#[derive(Debug, Default)]
pub(super) struct Circuit {
    failures: u32,
    /// While it is open: when the next one is let through.
    open_until: Option<Instant>,
}

impl Circuit {
    /// Whether one may go through at `now`. Of an open circuit that is one in ten seconds.
    pub(super) fn admits(&mut self, now: Instant) -> bool {
        match self.open_until {
            None => true,
            Some(until) if now < until => false,
            Some(_) => {
                self.open_until = Some(now + PAUSE);
                true
            }
        }
    }

    /// One came back with an answer. Says whether that ends a pause.
    pub(super) fn succeeded(&mut self) -> bool {
        self.failures = 0;
        self.open_until.take().is_some()
    }

    /// One did not. Says whether that begins a pause.
    pub(super) fn failed(&mut self, now: Instant) -> bool {
        self.failures = self.failures.saturating_add(1);
        if self.failures < FAILURES {
            return false;
        }
        self.open_until.replace(now + PAUSE).is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_in_a_row_open_it_and_one_answer_closes_it() {
        let (mut circuit, start) = (Circuit::default(), Instant::now());
        let later = |seconds| start + Duration::from_secs(seconds);
        for _ in 0..4 {
            assert!(circuit.admits(start) && !circuit.failed(start));
        }
        assert!(!circuit.succeeded(), "none in a row any more");
        for _ in 0..4 {
            assert!(!circuit.failed(start));
        }
        assert!(circuit.admits(start) && circuit.failed(start), "the fifth");
        assert!(!circuit.failed(start), "one that was under way tells nothing new");
        assert!(!circuit.admits(later(9)));
        assert!(circuit.admits(later(10)), "one is sent to see");
        assert!(!circuit.admits(later(10)) && !circuit.admits(later(19)), "and no other");
        assert!(
            !circuit.failed(later(11)) && !circuit.admits(later(20)),
            "it failed, and the pause is whole"
        );
        // One that never says how it went does not keep it open.
        assert!(circuit.admits(later(21)) && !circuit.admits(later(30)) && circuit.admits(later(31)));
        assert!(circuit.succeeded() && circuit.admits(later(31)) && circuit.admits(later(31)));
    }
}
