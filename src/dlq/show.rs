//! `accrue dlq show`: one dead letter as a whole.

use std::io::Write as _;

use super::{Failure, Named, printable, tell_missing, time_of};

pub(super) async fn show(args: Named) -> Result<bool, Failure> {
    let dead_letters = args.place.open().map_err(Failure::Settings)?;
    let Some(letter) = dead_letters.find(&args.id).await? else {
        tell_missing(&args.id);
        return Ok(false);
    };
    let summary = letter.summary();
    let text = |text: Option<String>| text.map_or_else(|| "-".to_owned(), |text| printable(&text));
    let mut out = std::io::stdout().lock();
    for (name, value) in [
        ("id", printable(&summary.id)),
        ("type", text(summary.kind)),
        ("user", text(summary.subject)),
        ("since", time_of(summary.dead_since)),
        ("reason", printable(&summary.reason)),
        ("attempts", summary.attempts.to_string()),
        ("routing key", printable(&summary.routing_key)),
        ("content type", text(letter.content_type)),
        ("traceparent", text(letter.traceparent)),
    ] {
        drop(writeln!(out, "{:<14}{value}", format!("{name}:")));
    }
    drop(writeln!(out, "\n{}", body(&letter.body)));
    Ok(true)
}

/// The body so that a terminal can show it: JSON in lines, other text as it is but for what
/// steers a terminal, and anything else byte by byte.
fn body(bytes: &[u8]) -> String {
    if let Ok(value) = serde_json::from_slice::<serde_json::Value>(bytes) {
        return format!("{value:#}");
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => text.lines().map(printable).collect::<Vec<_>>().join("\n"),
        Err(_) => bytes.escape_ascii().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::body;

    #[test]
    fn no_body_steers_a_terminal() {
        assert_eq!(body(br#"{"a":1}"#), "{\n  \"a\": 1\n}");
        assert_eq!(body(b"one\ntwo\x1b[2J"), "one\ntwo\u{fffd}[2J");
        assert_eq!(body(&[0xff, 0x00, b'a']), "\\xff\\x00a");
    }
}
