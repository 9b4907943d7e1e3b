//! How far long work is, on standard error: in one line that changes on a terminal, in a line every
//! few seconds elsewhere.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

/// How often it is told on a terminal, and elsewhere.
const SOON: Duration = Duration::from_millis(500);
const LATER: Duration = Duration::from_secs(5);

/// Tells how far something is.
pub(crate) struct Progress {
    is_terminal: bool,
    told: Instant,
    is_shown: bool,
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self { is_terminal: std::io::stderr().is_terminal(), told: Instant::now(), is_shown: false }
    }

    /// Tells it, unless it was told a moment ago.
    pub(crate) fn tell(&mut self, line: impl FnOnce() -> String) {
        if self.told.elapsed() < if self.is_terminal { SOON } else { LATER } {
            return;
        }
        self.told = Instant::now();
        self.is_shown = self.is_terminal;
        if self.is_terminal {
            eprint!("\r{}\x1b[K", line());
        } else {
            eprintln!("{}", line());
        }
    }

    /// Makes room for a line of something else.
    pub(crate) fn clear(&mut self) {
        if std::mem::take(&mut self.is_shown) {
            eprint!("\r\x1b[K");
        }
    }
}
