//! Free text as a salted digest, so that it can be erased and the chain stays whole.

use serde_json::{Number, Value};

use super::encoder::Encoder;
use super::terms::Made;
use super::{Digest, Salt, SaltSeed, Seal};

const TEXTS: &[u8] = b"accrue/texts/1";
const SALT: &[u8] = b"accrue/salt/1";

/// The salt of the entry `seq` of an account.
pub(super) fn salt(seed: &SaltSeed, user_id: &str, seq: i64) -> Salt {
    let mut encoder = Encoder::new(SALT);
    encoder.bytes(seed);
    encoder.text(user_id);
    encoder.number(seq);
    let digest = encoder.finish();
    let mut salt = Salt::default();
    salt.copy_from_slice(&digest[..16]);
    salt
}

fn is_without_text(reason: Option<&str>, made: &[Made<'_>]) -> bool {
    reason.is_none() && made.iter().all(|one| one.texts() == (None, None))
}

/// The digest of an entry's reason and of the free text of what it made; none if there
/// is no text.
#[must_use]
pub fn text_digest(salt: &Salt, reason: Option<&str>, made: &[Made<'_>]) -> Option<Digest> {
    if is_without_text(reason, made) {
        return None;
    }
    let mut encoder = Encoder::new(TEXTS);
    encoder.bytes(salt);
    encoder.optional_text(reason);
    for one in made {
        let (note, metadata) = one.texts();
        encoder.optional_text(note);
        encoder.byte(u8::from(metadata.is_some()));
        if let Some(value) = metadata {
            json(&mut encoder, value);
        }
    }
    Some(encoder.finish())
}

/// Whether the text that is there is what `seal` says, or was erased whole, salt and all.
#[must_use]
pub fn matches_texts(seal: &Seal, reason: Option<&str>, made: &[Made<'_>]) -> bool {
    match &seal.text_salt {
        // A salt without a digest proves nothing, and none was given.
        Some(salt) => seal.text_digest.is_some() && text_digest(salt, reason, made) == seal.text_digest,
        None => is_without_text(reason, made),
    }
}

/// JSON in a form that does not depend on who wrote it: members sorted, numbers by what
/// they are worth. PostgreSQL sorts members its own way, and writes 1e2 as 100.
fn json(encoder: &mut Encoder, value: &Value) {
    match value {
        Value::Null => encoder.byte(b'n'),
        Value::Bool(is_true) => encoder.byte(if *is_true { b't' } else { b'f' }),
        Value::Number(value) => {
            encoder.byte(b'd');
            encoder.text(&number(value));
        }
        Value::String(text) => {
            encoder.byte(b's');
            encoder.text(text);
        }
        Value::Array(items) => {
            encoder.byte(b'a');
            encoder.count(items.len());
            for item in items {
                json(encoder, item);
            }
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_unstable_by_key(|(name, _)| *name);
            encoder.byte(b'o');
            encoder.count(members.len());
            for (name, member) in members {
                encoder.text(name);
                json(encoder, member);
            }
        }
    }
}

/// Whole numbers of 64 bits by their digits, all others as the nearest double.
fn number(value: &Number) -> String {
    match value.as_f64() {
        Some(double) if value.is_f64() && double.fract() == 0.0 && double.abs() < 1e18 => written_out(double),
        Some(double) if !value.is_i64() || double.abs() >= 1e18 => format!("{double:e}"),
        _ => value.to_string(),
    }
}

/// A whole double below 10^18 by its fewest digits, with zeros after them: that is how
/// PostgreSQL writes one out, and then it is read as a whole number.
fn written_out(double: f64) -> String {
    if double == 0.0 {
        return "0".to_owned();
    }
    let shortest = format!("{double:e}");
    let (digits, exponent) = shortest.split_once('e').unwrap_or((&shortest, "0"));
    let zeros = exponent.parse().unwrap_or(0) + 1;
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |digits| ("-", digits));
    let digits = digits.replace('.', "");
    format!("{sign}{digits:0<zeros$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(text: &str) -> Digest {
        let mut encoder = Encoder::new(TEXTS);
        json(&mut encoder, &serde_json::from_str(text).expect("JSON"));
        encoder.finish()
    }

    #[test]
    fn json_counts_by_what_it_says() {
        for (one, other) in [
            (r#"{"a":1,"b":[2,null]}"#, r#"{ "b": [2, null], "a": 1 }"#),
            ("100", "1e2"),
            ("0", "-0.0"),
            ("1000000000000000000", "1e18"),
            ("-1000000000000000000", "-1e18"),
            ("10000000000000000000", "1e19"),
            ("0.0000001", "1e-7"),
            ("1000000000000000000000000", "1e24"),
            ("9007199254740993", "9007199254740993"),
            ("500000000000000064.0", "500000000000000060"),
            ("-1.5e3", "-1500"),
            ("9007199254740992.0", "9007199254740992"),
            ("1.7976931348623157e308", &format!("17976931348623157{}", "0".repeat(292))),
            ("3.469955633815739e-10", "0.0000000003469955633815739"),
        ] {
            assert_eq!(digest(one), digest(other), "{one} and {other}");
        }
        for (one, other) in [
            ("1", "\"1\""),
            ("[1]", "{\"1\":1}"),
            ("9007199254740993", "9007199254740992"),
            ("[[1],2]", "[[1,2]]"),
            ("0.1", "0.10000001"),
        ] {
            assert_ne!(digest(one), digest(other), "{one} and {other}");
        }
    }
}
