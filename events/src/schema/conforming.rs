//! Whether a value is what a schema says: of JSON Schema as much as our schemas use.

use serde_json::Value;

/// What is wrong with `value`, if anything. A keyword that is not known here is wrong too,
/// or it would never be looked at.
pub(super) fn fault(schema: &Value, value: &Value) -> Option<String> {
    let keywords = schema.as_object().expect("a schema is an object");
    keywords.iter().find_map(|(keyword, wanted)| {
        let is_kept = match keyword.as_str() {
            "$schema" | "title" | "description" | "format" => true,
            "type" => is_of_type(wanted, value),
            "const" => wanted == value,
            "enum" => wanted.as_array().expect("a list").contains(value),
            "minimum" => value.as_i64() >= wanted.as_i64(),
            "minLength" => value.as_str().is_some_and(|text| text.len() as u64 >= length(wanted)),
            "maxLength" => value.as_str().is_some_and(|text| text.len() as u64 <= length(wanted)),
            "required" => {
                let names = wanted.as_array().expect("a list").iter().filter_map(Value::as_str);
                names.into_iter().all(|name| value.get(name).is_some())
            }
            "properties" => {
                let members = wanted.as_object().expect("an object");
                let of_member = |(name, schema): (&String, &Value)| {
                    value.get(name).and_then(|value| fault(schema, value))
                };
                return members.iter().find_map(of_member);
            }
            _ => false,
        };
        (!is_kept).then(|| format!("{value} breaks {keyword} {wanted}"))
    })
}

fn length(wanted: &Value) -> u64 {
    wanted.as_u64().expect("a number")
}

fn is_of_type(wanted: &Value, value: &Value) -> bool {
    match wanted {
        Value::Array(several) => several.iter().any(|one| is_of_type(one, value)),
        one => match one.as_str().expect("a name") {
            "object" => value.is_object(),
            "string" => value.is_string(),
            "integer" => value.is_i64(),
            "boolean" => value.is_boolean(),
            "null" => value.is_null(),
            other => panic!("no schema of ours has the type {other}"),
        },
    }
}

#[test]
fn what_breaks_a_schema_is_found() {
    let schema = serde_json::json!({
        "type": "object",
        "required": ["a"],
        "properties": {"a": {"type": ["integer", "null"], "minimum": 1}, "b": {"const": "x"}},
    });
    let told = |value: Value| fault(&schema, &value);
    assert_eq!(told(serde_json::json!({"a": 1, "b": "x", "c": true})), None);
    for wrong in ["{}", r#"{"a": "1"}"#, r#"{"a": 0}"#, r#"{"a": 1, "b": "y"}"#, "[]"] {
        assert!(told(serde_json::from_str(wrong).expect("JSON")).is_some(), "{wrong}");
    }
    assert!(fault(&serde_json::json!({"unheardOf": 1}), &Value::Null).is_some());
}
