//! `accrue dlq`: the events that were given up on: looked at, sent back, dropped.

mod list;
mod redrive;
mod show;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use accrue_chassis::settings::Problems;
use accrue_events::broker::{BrokerError, DeadLetters, Selection};
use anyhow::Context as _;
use clap::{Args, Subcommand};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::broker::BrokerArgs;
use crate::data_dir;

/// What an exit code says besides 0, done.
const NOT_ALL: u8 = 1;
const BAD_SETTINGS: u8 = 2;
const BROKER_AWAY: u8 = 3;

#[derive(Debug, Args)]
pub(crate) struct DlqArgs {
    #[command(subcommand)]
    command: DlqCommand,
}

#[derive(Debug, Subcommand)]
enum DlqCommand {
    /// List dead letters, oldest first, without what they hold
    List(List),
    /// Show one with its body, which may hold personal data
    Show(Named),
    /// Send dead letters back to their queue: those named, or all that the filters let through
    Redrive(RedriveArgs),
    /// Remove one for good
    Drop(Named),
}

#[derive(Debug, Args)]
struct List {
    #[command(flatten)]
    filter: Filter,
    /// How many at most; all are counted
    #[arg(long, default_value_t = 100, value_name = "N")]
    limit: usize,
    /// Print one JSON document for scripts
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Args)]
struct Named {
    /// The letter's id, as `list` shows it
    id: String,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Args)]
struct RedriveArgs {
    /// The letters of these ids, as `list` shows them; without any, all letters
    id: Vec<String>,
    #[command(flatten)]
    filter: Filter,
    /// How many at most
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// How many a second at most; as fast as the broker confirms them if left out
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: Option<u32>,
    /// Only show what would be sent
    #[arg(long)]
    dry_run: bool,
    /// Do not ask; needed where there is no terminal to ask on
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Args)]
struct Filter {
    /// Only events of this type, such as `accrue.user.registered.v1`
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// Only what died then or later, such as `2026-01-31T12:00:00Z`
    #[arg(long, value_name = "TIME", value_parser = instant)]
    since: Option<OffsetDateTime>,
}

/// Where the broker is.
#[derive(Debug, Args)]
struct Place {
    /// The data directory of an `accrue` that runs everything, if no URL is given
    #[arg(long, env = "ACCRUE_DATA_DIR", value_name = "DIR")]
    data_dir: Option<PathBuf>,
    #[command(flatten)]
    broker: BrokerArgs,
}

fn instant(text: &str) -> Result<OffsetDateTime, String> {
    OffsetDateTime::parse(text, &Rfc3339)
        .map_err(|_| "a time is in RFC 3339, such as 2026-01-31T12:00:00Z".to_owned())
}

impl Filter {
    fn select(self, ids: Vec<String>) -> Selection {
        Selection { ids: ids.into_iter().collect(), kind: self.kind, since: self.since }
    }
}

impl Place {
    fn open(self) -> anyhow::Result<Arc<dyn DeadLetters>> {
        let mut problems = Problems::new();
        let file = self.data_dir.as_ref().filter(|_| !self.broker.is_given());
        if let Some(directory) = file {
            // The broker makes its file when it is first used, and here that would hide a mistake.
            let is_there = directory.join("broker.db").is_file();
            anyhow::ensure!(
                is_there,
                "there is no broker.db in {}: is it a data directory?",
                directory.display()
            );
        }
        let fallback = self.data_dir.map(|directory| data_dir::sqlite_url(&directory, "broker.db"));
        let broker = self.broker.open(fallback, &mut problems);
        problems.finish()?;
        Ok(broker.context("the settings were not read")?.dead_letters())
    }
}

/// Why a command did not come to its end.
enum Failure {
    Settings(anyhow::Error),
    Broker(BrokerError),
}

impl From<BrokerError> for Failure {
    fn from(error: BrokerError) -> Self {
        Self::Broker(error)
    }
}

pub(crate) async fn run(args: DlqArgs) -> ExitCode {
    let done = match args.command {
        DlqCommand::List(args) => list::list(args).await,
        DlqCommand::Show(args) => show::show(args).await,
        DlqCommand::Redrive(args) => redrive::redrive(args).await,
        DlqCommand::Drop(args) => drop_letter(args).await,
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => NOT_ALL.into(),
        Err(Failure::Settings(error)) => fail(&error, BAD_SETTINGS),
        Err(Failure::Broker(error)) => fail(&anyhow::Error::new(error), BROKER_AWAY),
    }
}

fn fail(error: &anyhow::Error, code: u8) -> ExitCode {
    eprintln!("accrue: {error:#}");
    code.into()
}

async fn drop_letter(args: Named) -> Result<bool, Failure> {
    let dead_letters = args.place.open().map_err(Failure::Settings)?;
    let is_gone = dead_letters.drop_letter(&args.id).await?;
    if is_gone {
        eprintln!("the dead letter {} is gone", printable(&args.id));
    } else {
        tell_missing(&args.id);
    }
    Ok(is_gone)
}

fn tell_missing(id: &str) {
    eprintln!(
        "accrue: there is no dead letter {}: it was sent back or dropped, or another command is looking \
         through the letters right now",
        printable(id)
    );
}

/// `text` on one line of a terminal, whoever wrote it.
fn printable(text: &str) -> String {
    text.chars().map(|char| if char.is_control() { '\u{fffd}' } else { char }).collect()
}

/// An instant as people and programs read it; `-` if it is not known.
fn time_of(at: Option<OffsetDateTime>) -> String {
    at.and_then(|at| at.format(&Rfc3339).ok()).unwrap_or_else(|| "-".to_owned())
}
