//! `accrue dlq redrive`: shown first, asked about, then sent back.

use std::collections::BTreeSet;
use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use accrue_events::broker::{Look, Redrive, Redriven, Survey};
use anyhow::anyhow;

use super::list::{PATIENCE, counted};
use super::{Failure, RedriveArgs, printable, tell_missing};

/// How long a redrive may take. RabbitMQ ends a channel that holds a message for thirty minutes
/// (`consumer_timeout`), and a redrive holds what it passes.
const REDRIVE_PATIENCE: Duration = Duration::from_mins(25);
/// How often progress is told on a terminal, and elsewhere.
const SOON: Duration = Duration::from_millis(500);
const LATER: Duration = Duration::from_secs(5);
/// How many that failed are named.
const NAMED: usize = 20;

pub(super) async fn redrive(args: RedriveArgs) -> Result<bool, Failure> {
    let dead_letters = args.place.open().map_err(Failure::Settings)?;
    let selection = args.filter.select(args.id);
    let limit = args.limit.unwrap_or(u64::MAX);
    let look = Look { selection: selection.clone(), limit: selection.ids.len(), patience: PATIENCE };
    let survey = dead_letters.survey(&look).await?;
    let is_all_there = show_preview(&survey, &selection.ids, limit);
    if args.dry_run || survey.total() == 0 {
        return Ok(is_all_there);
    }
    if !args.yes && !is_wanted()? {
        eprintln!("nothing was sent");
        return Ok(false);
    }
    let redrive = Redrive { selection, limit, rate: args.rate, patience: REDRIVE_PATIENCE };
    let report = dead_letters.redrive_many(&redrive, &mut teller(survey.total().min(limit))).await?;
    tell(&report);
    match report.stopped {
        Some(error) => Err(error.into()),
        None => Ok(report.is_complete && report.failed.is_empty() && report.not_found.is_empty()),
    }
}

/// Says what would be sent, and whether everything that was named is there.
fn show_preview(survey: &Survey, asked: &BTreeSet<String>, limit: u64) -> bool {
    let (total, at_least) = (survey.total(), if survey.is_complete { "" } else { "at least " });
    let mut out = std::io::stdout().lock();
    drop(writeln!(
        out,
        "{at_least}{total} dead letter(s) match, {} of them would be sent:",
        total.min(limit)
    ));
    for count in survey.by_kind() {
        drop(writeln!(out, "{}", counted(&count)));
    }
    let found: BTreeSet<_> = survey.letters.iter().map(|letter| &letter.id).collect();
    if !survey.is_complete {
        eprintln!("not all dead letters were looked at in time; there may be more");
        return false;
    }
    let missing: Vec<_> = asked.iter().filter(|id| !found.contains(id)).collect();
    for id in &missing {
        tell_missing(id);
    }
    missing.is_empty()
}

/// Asks on the terminal.
fn is_wanted() -> Result<bool, Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::Settings(anyhow!(
            "nothing was sent: there is no terminal to ask on. Say --yes to send, or --dry-run to only look"
        )));
    }
    eprint!("Send them back? [y/N] ");
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    read.map_err(|error| Failure::Settings(anyhow!(error).context("the answer cannot be read")))?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// Tells on standard error how far it is: in one line that changes on a terminal, in a line
/// every few seconds elsewhere.
fn teller(total: u64) -> impl FnMut(u64) + Send {
    let is_terminal = std::io::stderr().is_terminal();
    let mut told = Instant::now();
    move |sent| {
        if told.elapsed() < if is_terminal { SOON } else { LATER } {
            return;
        }
        told = Instant::now();
        let line = format!("{sent} of {total} sent");
        if is_terminal { eprint!("\r{line}\x1b[K") } else { eprintln!("{line}") }
    }
}

fn tell(report: &Redriven) {
    if std::io::stderr().is_terminal() {
        eprint!("\r\x1b[K");
    }
    for failed in report.failed.iter().take(NAMED) {
        eprintln!("{}: {:#}", printable(&failed.id), anyhow!("{}", failed.error));
    }
    if report.failed.len() > NAMED {
        eprintln!("… and {} more", report.failed.len() - NAMED);
    }
    for id in &report.not_found {
        tell_missing(id);
    }
    let more = if report.is_complete {
        ""
    } else {
        " Not all letters were looked at in time: run it again for the rest."
    };
    let text = format!(
        "{} sent back, {} failed and stay dead letters, {} left because of --limit.{more}\n\
         What accounting had applied before it knows by its version, and counts as `stale`.",
        report.redriven,
        report.failed.len(),
        report.left
    );
    drop(writeln!(std::io::stdout(), "{text}"));
}
