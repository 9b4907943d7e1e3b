//! Every column of every table that the audit covers: an edited, a lost and an added row are found.

use std::collections::BTreeSet;

use crate::auditing::{fill, findings};
use crate::fixture::Fixture;

/// A table that the audit covers.
struct Covered {
    name: &'static str,
    key: &'static [&'static str],
    /// Columns, what to make of their values, and of which rows.
    edits: &'static [(&'static str, &'static str, &'static str)],
    /// Columns that no entry tells of.
    uncovered: &'static [&'static str],
}

const ALL: &str = "true";

const TABLES: [Covered; 5] = [
    Covered {
        name: "entries",
        key: &["user_id", "seq"],
        edits: &[
            ("user_id", "'u9'", ALL),
            ("seq", "seq + 100000", ALL),
            ("kind", "CASE kind WHEN 'usage' THEN 'expiry' ELSE 'usage' END", ALL),
            ("credits", "credits + 1", ALL),
            ("balance_after", "balance_after + 1", ALL),
            ("reserved_after", "reserved_after + 1", "reserved_after < balance_after"),
            ("draws", "{draws}", ALL),
            ("reference", "{id}", ALL),
            ("counterparty", "COALESCE(counterparty, '') || 'x'", ALL),
            ("actor", "actor || 'x'", ALL),
            ("reason", "COALESCE(reason, '') || 'x'", ALL),
            ("recorded_at", "recorded_at + {second}", ALL),
            ("made_digest", "{bytes}", ALL),
            ("text_salt", "{salt}", ALL),
            ("text_digest", "{bytes}", ALL),
            ("hash", "{bytes}", ALL),
        ],
        uncovered: &[],
    },
    Covered {
        name: "accounts",
        key: &["user_id"],
        edits: &[
            ("user_id", "'u9'", ALL),
            ("available", "available + 1", ALL),
            ("reserved", "reserved + 1", ALL),
            ("pending", "pending + 1", ALL),
            ("last_seq", "last_seq + 1", ALL),
            ("last_entry_at", "last_entry_at + {second}", ALL),
            ("chain_head", "{bytes}", ALL),
            ("next_due_at", "NULL", "pending > 0 OR reserved > 0"),
            ("welcome", "CASE welcome WHEN 'granted' THEN 'declined' ELSE 'granted' END", ALL),
        ],
        uncovered: &[
            "status",
            "user_version",
            "email",
            "username",
            "display_name",
            "created_at",
            "updated_at",
        ],
    },
    Covered {
        name: "credit_allocations",
        key: &["user_id", "id"],
        edits: &[
            ("user_id", "'u9'", ALL),
            ("id", "{id}", ALL),
            ("credits", "credits + 1", ALL),
            ("remaining", "remaining - 1", "remaining > 0"),
            ("reserved", "reserved + 1", "remaining + reserved < credits"),
            ("priority", "(priority + 1) % 100", ALL),
            ("effective_at", "COALESCE(effective_at, recorded_at) + {second}", ALL),
            ("expires_at", "COALESCE(expires_at, recorded_at) + {second}", ALL),
            ("is_pending", "NOT is_pending", ALL),
            ("is_voided", "NOT is_voided", ALL),
            ("reason", "COALESCE(reason, '') || 'x'", "terms_digest IS NULL"),
            ("metadata", "{object}", "terms_digest IS NULL"),
            ("actor", "actor || 'x'", ALL),
            ("recorded_at", "recorded_at + {second}", ALL),
            ("terms_digest", "{bytes}", ALL),
        ],
        uncovered: &[],
    },
    Covered {
        name: "usages",
        key: &["user_id", "id"],
        edits: &[
            ("user_id", "'u9'", ALL),
            ("id", "{id}", ALL),
            ("credits", "credits + 1", ALL),
            ("refunded", "refunded + 1", "refunded < credits"),
            ("uncollected", "uncollected + 1", ALL),
            ("resource", "COALESCE(resource, '') || 'x'", ALL),
            ("metadata", "{object}", ALL),
            ("reservation_id", "{id}", ALL),
            ("draws", "{draws}", ALL),
            ("actor", "actor || 'x'", ALL),
            ("recorded_at", "recorded_at + {second}", ALL),
            ("units", "{units}", "units IS NOT NULL"),
            ("rate_version", "rate_version + 1", "units IS NOT NULL"),
        ],
        uncovered: &[],
    },
    Covered {
        name: "reservations",
        key: &["user_id", "id"],
        edits: &[
            ("user_id", "'u9'", ALL),
            ("id", "{id}", ALL),
            ("credits", "credits + 1", ALL),
            ("status", "CASE status WHEN 'held' THEN 'released' ELSE 'held' END", ALL),
            ("expires_at", "expires_at + {second}", ALL),
            ("resource", "COALESCE(resource, '') || 'x'", ALL),
            ("metadata", "{object}", ALL),
            ("draws", "{draws}", ALL),
            ("usage_id", "{id}", ALL),
            ("actor", "actor || 'x'", ALL),
            ("recorded_at", "recorded_at + {second}", ALL),
            ("ended_at", "COALESCE(ended_at, expires_at) + {second}", ALL),
            ("units", "{units}", "units IS NOT NULL"),
            ("rate_version", "rate_version + 1", "units IS NOT NULL"),
            ("terms_digest", "{bytes}", ALL),
        ],
        uncovered: &[],
    },
];

impl Covered {
    /// Keeps the rows, numbered, to be put back.
    async fn keep(&self, fixture: &Fixture) {
        let (name, key) = (self.name, self.key.join(", "));
        let numbered = format!("SELECT row_number() OVER (ORDER BY {key}) AS nth, {name}.* FROM {name}");
        fixture.tamper(&format!("CREATE TABLE kept_{name} AS {numbered}")).await;
    }

    async fn restore(&self, fixture: &Fixture, columns: &str) {
        let name = self.name;
        fixture.tamper(&format!("DELETE FROM {name}")).await;
        fixture.tamper(&format!("INSERT INTO {name} ({columns}) SELECT {columns} FROM kept_{name}")).await;
    }

    /// Which row is the `nth`.
    fn is_nth(&self, nth: &str) -> String {
        let (name, key) = (self.name, self.key.join(", "));
        format!("({key}) IN (SELECT {key} FROM kept_{name} WHERE nth = {nth})")
    }

    /// An edit of `column` in one of the rows in which it changes something.
    fn edit(&self, (column, to, of): (&str, &str, &str), seed: u64) -> String {
        let name = self.name;
        let differs = format!("CAST({column} AS {{text}}) IS DISTINCT FROM CAST({to} AS {{text}})");
        let nth = format!(
            "(SELECT nth FROM kept_{name} WHERE ({of}) AND {differs} ORDER BY (nth * 7919 + {seed} * 31) % 101, nth
              LIMIT 1)"
        );
        format!("UPDATE {name} SET {column} = {to} WHERE {}", self.is_nth(&nth))
    }

    /// The same row again, with another key.
    fn add(&self, columns: &[String], nth: usize) -> String {
        let name = self.name;
        let value = |column: &String| match (column.as_str(), self.key) {
            ("user_id", ["user_id"]) => "'u9'".to_owned(),
            ("seq", _) => "seq + 100000".to_owned(),
            ("id", _) => "{id}".to_owned(),
            (other, _) => other.to_owned(),
        };
        let values = columns.iter().map(value).collect::<Vec<_>>().join(", ");
        let columns = columns.join(", ");
        format!("INSERT INTO {name} ({columns}) SELECT {values} FROM kept_{name} WHERE nth = {nth}")
    }
}

pub(crate) async fn a_changed_row_is_found_whichever_column_it_is(first: Fixture) {
    let mut edited: BTreeSet<(&str, &str)> = BTreeSet::new();
    for seed in 1..=4 {
        let fixture = first.another().await;
        fill(&fixture, seed, 40).await;
        assert_eq!(findings(&fixture, None).await, [], "seed {seed}");
        for table in &TABLES {
            let columns = fixture.columns(table.name).await;
            let known = table.edits.iter().map(|(column, ..)| *column).chain(table.uncovered.iter().copied());
            assert_eq!(
                known.collect::<BTreeSet<_>>(),
                columns.iter().map(String::as_str).collect(),
                "{}: each column is covered, or said not to be",
                table.name
            );
            let columns = columns.join(", ");
            table.keep(&fixture).await;
            for edit in table.edits {
                // What a constraint refuses, nobody can do by an UPDATE alone.
                let Some(1) = fixture.try_tamper(&table.edit(*edit, seed)).await else { continue };
                edited.insert((table.name, edit.0));
                let found = findings(&fixture, None).await;
                assert_ne!(found, [], "seed {seed}: an edit of {}.{} is hidden", table.name, edit.0);
                table.restore(&fixture, &columns).await;
            }
        }
        assert_eq!(findings(&fixture, None).await, [], "seed {seed}: all is as it was");
    }
    let all = TABLES.iter().flat_map(|table| table.edits.iter().map(|edit| (table.name, edit.0)));
    assert_eq!(edited, all.collect(), "each was edited at least once");
}

pub(crate) async fn every_row_that_is_lost_or_added_is_found(fixture: Fixture) {
    fill(&fixture, 11, 20).await;
    assert_eq!(findings(&fixture, None).await, []);
    for table in &TABLES {
        table.keep(&fixture).await;
        let columns = fixture.columns(table.name).await;
        let count =
            usize::try_from(fixture.tamper(&format!("DELETE FROM {}", table.name)).await).expect("few");
        assert!(count >= 3, "{} has only {count} rows", table.name);
        table.restore(&fixture, &columns.join(", ")).await;
        for nth in 1..=count {
            let lost = format!("DELETE FROM {} WHERE {}", table.name, table.is_nth(&nth.to_string()));
            assert_eq!(fixture.tamper(&lost).await, 1);
            assert_ne!(findings(&fixture, None).await, [], "row {nth} of {} is missed by nobody", table.name);
            table.restore(&fixture, &columns.join(", ")).await;
            assert_eq!(fixture.tamper(&table.add(&columns, nth)).await, 1);
            assert_ne!(findings(&fixture, None).await, [], "row {nth} of {} twice is hidden", table.name);
            table.restore(&fixture, &columns.join(", ")).await;
        }
    }
    assert_eq!(findings(&fixture, None).await, [], "all is as it was");
}
