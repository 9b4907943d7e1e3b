//! `accrue dlq list`: a table, or a document for scripts.

use std::io::Write as _;
use std::time::Duration;

use accrue_events::broker::{LetterCount, LetterSummary, Look, Survey};
use serde_json::json;

use super::{Failure, List, printable, time_of};

/// How long a look may take: RabbitMQ hands out some 8,000 letters a second on two busy cores.
pub(super) const PATIENCE: Duration = Duration::from_mins(10);

pub(super) async fn list(args: List) -> Result<bool, Failure> {
    let dead_letters = args.place.open().map_err(Failure::Settings)?;
    let look = Look { selection: args.filter.select(Vec::new()), limit: args.limit, patience: PATIENCE };
    let survey = dead_letters.survey(&look).await?;
    if args.json {
        let document = json!({
            "data": survey.letters, "total": survey.total(), "counts": survey.by_kind(),
            "complete": survey.is_complete,
        });
        drop(writeln!(std::io::stdout(), "{document}"));
    } else {
        table(&survey);
    }
    Ok(true)
}

fn table(survey: &Survey) {
    let head = ["ID", "TYPE", "USER", "SINCE", "REASON", "ATTEMPTS"].map(str::to_owned);
    let rows: Vec<_> = std::iter::once(head).chain(survey.letters.iter().map(row)).collect();
    let widths: Vec<_> =
        (0..6).map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0)).collect();
    let mut out = std::io::stdout().lock();
    if !survey.letters.is_empty() {
        for row in &rows {
            let cells: Vec<_> =
                row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
            drop(writeln!(out, "{}", cells.join("  ").trim_end()));
        }
    }
    eprintln!("{}", summed_up(survey));
}

fn row(letter: &LetterSummary) -> [String; 6] {
    let text = |text: Option<&String>| text.map_or_else(|| "-".to_owned(), |text| printable(text));
    [
        printable(&letter.id),
        text(letter.kind.as_ref()),
        text(letter.subject.as_ref()),
        time_of(letter.dead_since),
        printable(&letter.reason),
        letter.attempts.to_string(),
    ]
}

/// How many there are, in a line.
fn summed_up(survey: &Survey) -> String {
    let more = if survey.is_complete { "" } else { " or more, as not all were looked at" };
    let shown = survey.letters.len() as u64;
    let rest = if survey.total() > shown { format!("; {shown} shown, see --limit") } else { String::new() };
    format!("{} dead letter(s){more}{rest}", survey.total())
}

/// One line of counts.
pub(super) fn counted(count: &LetterCount) -> String {
    let kind = count.kind.as_ref().map_or_else(|| "(no type)".to_owned(), |kind| printable(kind));
    format!("{:>8}  {kind}  {}", count.count, printable(&count.reason))
}
