//! The `Idempotency-Key` header, and the fingerprint of the request that it came with.

use accrue_chassis::problem::Problem;
use accrue_chassis::tokens::Caller;
use axum::http::HeaderMap;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::ledger::IdempotencyKey;

/// The key of a request that must have one. `operation` and `request` make the
/// fingerprint that tells a repetition from another request.
pub(super) fn required_key(
    headers: &HeaderMap,
    caller: &Caller,
    operation: &str,
    request: &impl Serialize,
) -> Result<IdempotencyKey, Problem> {
    let mut values = headers.get_all("idempotency-key").iter();
    let Some(value) = values.next() else {
        let detail = "Send an Idempotency-Key header: any text of your choice, new for each new request and \
                      the same when you send a request again. So a repetition never applies twice.";
        return Err(Problem::bad_request("idempotency_key_required", detail));
    };
    let invalid = || {
        let detail = "Idempotency-Key must be sent once, with 1 to 255 visible ASCII characters.";
        Problem::bad_request("invalid_idempotency_key", detail)
    };
    let key = value.to_str().map_err(|_| invalid())?;
    let is_valid = (1..=255).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_valid || values.next().is_some() {
        return Err(invalid());
    }
    Ok(IdempotencyKey {
        // Users come through one client, and their keys are none of each other's business.
        client: if caller.user_id().is_some() { caller.actor() } else { caller.client_id.clone() },
        key: key.to_owned(),
        fingerprint: fingerprint(operation, request)?,
    })
}

/// The key of a request that may do without, since sending it again does no harm.
pub(super) fn optional_key(
    headers: &HeaderMap,
    caller: &Caller,
    operation: &str,
    request: &impl Serialize,
) -> Result<Option<IdempotencyKey>, Problem> {
    if headers.contains_key("idempotency-key") {
        required_key(headers, caller, operation, request).map(Some)
    } else {
        Ok(None)
    }
}

fn fingerprint(operation: &str, request: &impl Serialize) -> Result<[u8; 32], Problem> {
    let value = serde_json::to_value(request).map_err(|error| {
        tracing::error!(%error, "a request could not be fingerprinted");
        Problem::internal()
    })?;
    let mut text = format!("{operation}\n");
    write_canonical(&value, &mut text);
    Ok(Sha256::digest(text.as_bytes()).into())
}

/// JSON with the members of every object in order, so that a client which orders
/// them differently the second time still sends the same request.
fn write_canonical(value: &Value, text: &mut String) {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by_key(|(name, _)| *name);
            text.push('{');
            for (name, member) in members {
                text.push_str(&Value::from(name.as_str()).to_string());
                text.push(':');
                write_canonical(member, text);
                text.push(',');
            }
            text.push('}');
        }
        Value::Array(items) => {
            text.push('[');
            for item in items {
                write_canonical(item, text);
                text.push(',');
            }
            text.push(']');
        }
        plain => text.push_str(&plain.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use serde_json::json;

    use super::*;

    fn key_of(values: &[&'static str]) -> Result<IdempotencyKey, Problem> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("idempotency-key", HeaderValue::from_static(value));
        }
        let caller = Caller {
            subject: "shop".to_owned(),
            client_id: "shop".to_owned(),
            scopes: accrue_chassis::tokens::Scopes::default(),
            session_id: None,
        };
        required_key(&headers, &caller, "allocate", &json!({}))
    }

    #[test]
    fn asks_for_one_plain_key() {
        assert_eq!(key_of(&["a-1"]).expect("a key").key, "a-1");
        assert_eq!(key_of(&[]).expect_err("none").code(), "idempotency_key_required");
        for bad in [&[""][..], &["a b"], &["a", "b"]] {
            assert_eq!(key_of(bad).expect_err("a bad key").code(), "invalid_idempotency_key", "{bad:?}");
        }
    }

    #[test]
    fn the_order_of_members_makes_no_other_request() {
        let of = |value: &Value| fingerprint("allocate", value).expect("a fingerprint");
        let one: Value = serde_json::from_str(r#"{"a":{"x":[1,2],"y":null},"b":"1"}"#).expect("JSON");
        let other: Value = serde_json::from_str(r#"{"b":"1","a":{"y":null,"x":[1,2]}}"#).expect("JSON");
        assert_eq!(of(&one), of(&other));
        assert_ne!(of(&one), of(&json!({"a": {"x": [2, 1], "y": null}, "b": "1"})));
        assert_ne!(of(&json!({"a": "1"})), of(&json!({"a": 1})));
    }
}
