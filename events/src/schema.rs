//! The JSON Schema of every event, in `events/schema`: what the code writes and what is
//! published there must not drift apart.

mod conforming;

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
    let data = flat(serde_json::to_value(T::schema()).expect("a schema is JSON"));
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

/// utoipa says what a member is there for in a second schema beside that of its type, which
/// asks for an object whatever the type is. Here they become one.
fn flat(mut schema: Value) -> Value {
    if let Some([first, second]) = schema.get("allOf").and_then(Value::as_array).map(Vec::as_slice) {
        let mut one = first.clone();
        one["description"] = second["description"].clone();
        return one;
    }
    if let Some(members) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        members.values_mut().for_each(|member| *member = flat(member.take()));
    }
    schema
}

/// Every schema by the name of its file.
fn schemas() -> BTreeMap<String, Value> {
    let users = user::types().into_iter().map(|kind| (event::<UserSnapshot>(&kind, AUTH_SOURCE), kind));
    let accounts = account::types().into_iter().map(|(kind, is_booked)| {
        let schema = if is_booked {
            event::<Booked>(&kind, ACCOUNTING_SOURCE)
        } else {
            event::<BalanceLow>(&kind, ACCOUNTING_SOURCE)
        };
        (schema, kind)
    });
    users.chain(accounts).map(|(schema, kind)| (format!("{kind}.json"), schema)).collect()
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("schema")
}

#[test]
fn the_published_schemas_are_those_of_the_code() {
    let (folder, schemas) = (folder(), schemas());
    if env::var_os(UPDATE).is_some() {
        fs::create_dir_all(&folder).expect("a folder");
        for (name, schema) in &schemas {
            fs::write(folder.join(name), format!("{schema:#}\n")).expect("a file that can be written");
        }
    }
    let there = fs::read_dir(&folder).expect("events/schema").map(|entry| entry.expect("an entry"));
    let there: BTreeSet<String> =
        there.map(|entry| entry.file_name().into_string().expect("a plain name")).collect();
    assert_eq!(there, schemas.keys().cloned().collect::<BTreeSet<_>>());
    for (name, schema) in &schemas {
        let published = fs::read_to_string(folder.join(name)).expect("a schema");
        // Not as text: in which order members stand hangs on how serde_json was built.
        let published: Value = serde_json::from_str(&published).expect("JSON");
        assert!(published == *schema, "{name} has drifted: {UPDATE}=1 cargo test -p accrue-events schema");
    }
}

#[test]
fn a_schema_needs_nothing_from_elsewhere() {
    for (name, schema) in schemas() {
        assert!(!schema.to_string().contains("$ref"), "{name} refers to what is in no file of ours");
    }
}

#[test]
fn what_is_published_is_as_its_schema_says() {
    let schemas = schemas();
    let messages = account::examples().into_iter().map(|event| event.to_message());
    let messages: Vec<_> = messages.chain([user::example().to_message(None)]).collect();
    assert_eq!(messages.len(), account::types().len() + 1);
    for message in messages {
        let event: Value = serde_json::from_slice(&message.body).expect("JSON");
        let name = format!("{}.json", event["type"].as_str().expect("text"));
        assert_eq!(conforming::fault(&schemas[&name], &event), None, "{name}");
    }
}
