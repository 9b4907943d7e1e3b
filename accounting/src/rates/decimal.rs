//! A decimal: a non-negative number with up to nine places, exact.

use std::fmt;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::ser::{Serialize, Serializer};

use crate::ledger::CREDITS_LIMIT;

/// How many billionths are one.
pub(super) const ONE: u128 = 1_000_000_000;
/// How many places a decimal has at most.
const PLACES: usize = 9;

/// A number from 0 to below 2^53, in whole billionths. In JSON it is text: a JSON
/// number becomes a binary fraction in many readers, and 0.1 has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decimal {
    billionths: u128,
}

/// The text is no such number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("write a decimal from 0 to 9007199254740991 with at most 9 places, such as \"2.5\"")]
pub struct InvalidDecimal;

impl Decimal {
    /// The number in billionths: below 2^53 times 10^9.
    pub(super) fn billionths(self) -> u128 {
        self.billionths
    }
}

impl FromStr for Decimal {
    type Err = InvalidDecimal;

    fn from_str(text: &str) -> Result<Self, InvalidDecimal> {
        let (whole, places) = text.split_once('.').unwrap_or((text, "0"));
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let is_plain = whole == "0" || !whole.starts_with('0');
        if !is_number(whole) || !is_number(places) || !is_plain || places.len() > PLACES {
            return Err(InvalidDecimal);
        }
        let whole: i64 = whole.parse().map_err(|_| InvalidDecimal)?;
        let whole = u128::try_from(whole).ok().filter(|_| whole < CREDITS_LIMIT).ok_or(InvalidDecimal)?;
        let places: u128 = format!("{places:0<PLACES$}").parse().map_err(|_| InvalidDecimal)?;
        Ok(Self { billionths: whole * ONE + places })
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, places) = (self.billionths / ONE, self.billionths % ONE);
        let places = format!("{places:0>PLACES$}");
        match places.trim_end_matches('0') {
            "" => write!(f, "{whole}"),
            places => write!(f, "{whole}.{places}"),
        }
    }
}

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl Visitor<'_> for Text {
            type Value = Decimal;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a decimal in a string, such as \"2.5\", since a JSON number may not stay exact")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Decimal, E> {
                text.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_kept_exactly() {
        for (text, told) in [
            ("0", "0"),
            ("2.5", "2.5"),
            ("2.50", "2.5"),
            ("10.000", "10"),
            ("0.000000001", "0.000000001"),
            ("9007199254740991.999999999", "9007199254740991.999999999"),
        ] {
            let decimal: Decimal = text.parse().expect("a decimal");
            assert_eq!(decimal.to_string(), told);
            let json = serde_json::to_string(&decimal).expect("JSON");
            assert_eq!(serde_json::from_str::<Decimal>(&json).expect("our own"), decimal);
        }
    }

    #[test]
    fn what_is_no_decimal_is_refused() {
        let too_large = CREDITS_LIMIT.to_string();
        for text in
            ["", ".", "1.", ".5", "-1", "+1", "1e3", "01", "00.5", "0x1", "1.0000000001", " 1", "1,5", "١"]
        {
            assert_eq!(text.parse::<Decimal>(), Err(InvalidDecimal), "{text}");
        }
        for text in [too_large.as_str(), "99999999999999999999999999"] {
            assert_eq!(text.parse::<Decimal>(), Err(InvalidDecimal), "{text}");
        }
        let told = serde_json::from_str::<Decimal>("2.5").expect_err("a number").to_string();
        assert!(told.contains("a decimal in a string"), "{told}");
        assert!(serde_json::from_str::<Decimal>("3").is_err());
    }
}
