//! What the demo prints: one line a step, with the time, a level and the outcome.

use std::io::Write as _;
use std::process::ExitCode;

use accrue_chassis::clock::{Clock as _, SystemClock};
use time::macros::format_description;

/// Counts the steps and prints them.
#[derive(Debug, Default)]
pub(super) struct Narrator {
    held: usize,
}

impl Narrator {
    /// A step that held.
    pub(super) fn held(&mut self, text: &str) {
        self.held += 1;
        line("INFO ", "ok  ", text);
    }

    /// Ends the story: an exit code of 0 only if every step of it held.
    pub(super) fn conclude(self, told: anyhow::Result<()>) -> ExitCode {
        match told {
            Ok(()) => {
                line("INFO ", "ok  ", &format!("all {} steps held", self.held));
                ExitCode::SUCCESS
            }
            Err(error) => {
                let text = format!("step {} did not hold: {error:#}", self.held + 1);
                line("ERROR", "FAIL", &text);
                ExitCode::FAILURE
            }
        }
    }
}

/// Something that is so, and was not tested.
pub(super) fn say(text: &str) {
    line("INFO ", "    ", text);
}

fn line(level: &str, outcome: &str, text: &str) {
    let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
    // A time of this century can be written.
    let now = SystemClock.now().format(&format).unwrap_or_default();
    // Whoever reads may have seen enough.
    drop(writeln!(std::io::stdout(), "{now} {level} {outcome} {text}"));
}
