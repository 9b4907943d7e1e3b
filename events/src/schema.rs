//! The JSON Schema of every event, in `events/schema`: what the code writes and what is
//! published there must not drift apart.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::{env, fs};

use serde_json::{Value, json};
use utoipa::PartialSchema;

use crate::account::{self, BalanceLow, Booked};
use crate::envelope::{ACCOUNTING_SOURCE, AUTH_SOURCE};
use crate::user::{self, UserSnapshot};

/// Set, this writes the files in place of comparing them.
const UPDATE: &str = "UPDATE_EVENT_SCHEMAS";

/// An event of `kind` by `source`, as CloudEvents wraps `T`.
fn event<T: PartialSchema>(kind: &str, source: &str) -> Value {
    let data = serde_json::to_value(T::schema()).expect("a schema is JSON");
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": kind,
        "type": "object",
        "required": ["specversion", "id", "source", "type", "subject", "time", "datacontenttype", "data"],
        "properties": {
            "specversion": {"const": "1.0"},
            "id": {"type": "string", "format": "uuid", "description": "Every delivery of it carries the same."},
            "source": {"const": source},
            "type": {"const": kind},
            "subject": {"type": "string", "minLength": 1, "maxLength": 50, "description": "The user id."},
            "time": {"type": "string", "format": "date-time"},
            "datacontenttype": {"const": "application/json"},
            "data": data,
        },
    })
}

/// Every schema by the name of its file.
fn schemas() -> BTreeMap<String, String> {
    let users = user::types().into_iter().map(|kind| (event::<UserSnapshot>(&kind, AUTH_SOURCE), kind));
    let accounts = account::types().into_iter().map(|(kind, is_booked)| {
        let schema = if is_booked {
            event::<Booked>(&kind, ACCOUNTING_SOURCE)
        } else {
            event::<BalanceLow>(&kind, ACCOUNTING_SOURCE)
        };
        (schema, kind)
    });
    users
        .chain(accounts)
        .map(|(schema, kind)| {
            let text = serde_json::to_string_pretty(&schema).expect("a schema is JSON");
            (format!("{kind}.json"), format!("{text}\n"))
        })
        .collect()
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("schema")
}

#[test]
fn the_published_schemas_are_those_of_the_code() {
    let (folder, schemas) = (folder(), schemas());
    if env::var_os(UPDATE).is_some() {
        fs::create_dir_all(&folder).expect("a folder");
        for (name, text) in &schemas {
            fs::write(folder.join(name), text).expect("a file that can be written");
        }
    }
    let there = fs::read_dir(&folder).expect("events/schema").map(|entry| entry.expect("an entry"));
    let there: BTreeSet<String> =
        there.map(|entry| entry.file_name().into_string().expect("a plain name")).collect();
    assert_eq!(there, schemas.keys().cloned().collect::<BTreeSet<_>>());
    for (name, text) in &schemas {
        let published = fs::read_to_string(folder.join(name)).expect("a schema");
        assert!(published == *text, "{name} has drifted: {UPDATE}=1 cargo test -p accrue-events schema");
    }
}

#[test]
fn a_schema_needs_nothing_from_elsewhere() {
    for (name, text) in schemas() {
        assert!(!text.contains("$ref"), "{name} refers to what is in no file of ours");
    }
}
