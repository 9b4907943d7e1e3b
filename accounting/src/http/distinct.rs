//! A JSON object whose names are the caller's own, each of them once.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde::{Serialize, Serializer};

/// Members by name. A name that is there twice is refused: of two quantities of one unit
/// nobody could say which is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Distinct<V>(pub(super) BTreeMap<String, V>);

impl<V: Serialize> Serialize for Distinct<V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Distinct<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members<V>(PhantomData<V>);

        impl<'de, V: Deserialize<'de>> Visitor<'de> for Members<V> {
            type Value = Distinct<V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Distinct<V>, A::Error> {
                let mut seen = BTreeMap::new();
                while let Some((name, value)) = members.next_entry::<String, V>()? {
                    if seen.contains_key(&name) {
                        return Err(A::Error::custom(format!("duplicate member `{name}`")));
                    }
                    seen.insert(name, value);
                }
                Ok(Distinct(seen))
            }
        }

        deserializer.deserialize_map(Members(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_counts_once() {
        let read = |text: &str| serde_json::from_str::<Distinct<u64>>(text);
        assert_eq!(read(r#"{"b":2,"a":1}"#).expect("distinct").0.len(), 2);
        let twice = read(r#"{"a":1,"a":1}"#).expect_err("twice").to_string();
        assert!(twice.contains("duplicate member `a`"), "{twice}");
        assert!(read(r#"{"a":-1}"#).is_err() && read(r#"{"a":1.5}"#).is_err() && read("[1]").is_err());
    }
}
