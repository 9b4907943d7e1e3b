//! Units: how much of what was used.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::card::MAX_UNIT_KINDS;
use crate::ledger::CREDITS_LIMIT;

/// The longest name of a kind of unit, in characters.
pub const MAX_UNIT_NAME_CHARS: usize = 50;
/// The largest quantity of one kind: JSON readers keep it exact.
pub const MAX_QUANTITY: u64 = CREDITS_LIMIT.unsigned_abs() - 1;

/// Quantities by kind of unit, such as `input_tokens`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Units(BTreeMap<String, u64>);

/// What is wrong with units.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUnits {
    /// None at all, or too many kinds.
    #[error("units must name 1 to {MAX_UNIT_KINDS} kinds of unit")]
    Count,
    /// A kind has a name that none can have.
    #[error("a unit is named by 1 to {MAX_UNIT_NAME_CHARS} of the characters a-z, 0-9 and _")]
    Name(String),
    /// A quantity is too large.
    #[error("a quantity must be a whole number from 0 to {MAX_QUANTITY}")]
    Quantity(String),
}

/// Whether a kind of unit can be called so.
#[must_use]
pub fn is_valid_unit(name: &str) -> bool {
    let is_fine = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    (1..=MAX_UNIT_NAME_CHARS).contains(&name.len()) && name.bytes().all(is_fine)
}

impl Units {
    /// Units with these quantities.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn new(quantities: BTreeMap<String, u64>) -> Result<Self, Vec<InvalidUnits>> {
        let mut wrong = Vec::new();
        if !(1..=MAX_UNIT_KINDS).contains(&quantities.len()) {
            wrong.push(InvalidUnits::Count);
        }
        let names = quantities.keys().filter(|name| !is_valid_unit(name));
        wrong.extend(names.cloned().map(InvalidUnits::Name));
        let too_large = quantities.iter().filter(|(_, quantity)| **quantity > MAX_QUANTITY);
        wrong.extend(too_large.map(|(name, _)| InvalidUnits::Quantity(name.clone())));
        if wrong.is_empty() { Ok(Self(quantities)) } else { Err(wrong) }
    }

    /// Each kind with its quantity, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(name, quantity)| (name.as_str(), *quantity))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(of: &[(&str, u64)]) -> Result<Units, Vec<InvalidUnits>> {
        Units::new(of.iter().map(|(name, quantity)| ((*name).to_owned(), *quantity)).collect())
    }

    #[test]
    fn all_that_is_wrong_is_told() {
        assert_eq!(units(&[]), Err(vec![InvalidUnits::Count]));
        // JavaScript's Number.MAX_SAFE_INTEGER.
        assert_eq!(MAX_QUANTITY, 9_007_199_254_740_991);
        let longest = "x".repeat(MAX_UNIT_NAME_CHARS);
        assert!(units(&[("input_tokens", MAX_QUANTITY), (&longest, 0)]).is_ok());
        let name = |name: &str| InvalidUnits::Name(name.to_owned());
        let wrong = units(&[("", 1), ("Tokens", 1), ("a-b", 1), ("ä", MAX_QUANTITY + 1), ("ok", 1)]);
        let quantity = InvalidUnits::Quantity("ä".to_owned());
        assert_eq!(wrong, Err(vec![name(""), name("Tokens"), name("a-b"), name("ä"), quantity]));
        let too_long = "x".repeat(MAX_UNIT_NAME_CHARS + 1);
        assert_eq!(units(&[(&too_long, 1)]), Err(vec![name(&too_long)]));
        let names: Vec<String> = (0..=MAX_UNIT_KINDS).map(|index| format!("u{index}")).collect();
        let many: Vec<(&str, u64)> = names.iter().map(|name| (name.as_str(), 1)).collect();
        assert_eq!(units(&many), Err(vec![InvalidUnits::Count]));
    }
}
