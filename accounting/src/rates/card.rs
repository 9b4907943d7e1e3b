//! A rate card: what each kind of unit of a resource costs, and what some of them come to.
//!
//! A price is exact until it is rounded up, once. All fractions of a card have the
//! common denominator 10^9 times the least common multiple of its `per`s. That multiple
//! is at most 2^45 and a price below 2^53, so each numerator of a price that can be
//! booked is below 2^53 * 2^30 * 2^45 = 2^128: what overflows is too much anyway.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::decimal::Decimal;
use super::exact::{self, Exact, greatest_common_divisor};
use super::units::{Units, is_valid_unit};
use crate::ledger::CREDITS_LIMIT;

/// How many kinds of unit a card, or one request, names at most.
pub const MAX_UNIT_KINDS: usize = 20;
/// The largest quantity that a rate can be for.
pub const MAX_PER: u64 = 1_000_000_000_000;
/// The largest least common multiple of all `per`s of a card.
pub const MAX_COMMON_MULTIPLE: u64 = 1 << 45;

/// What one kind of unit costs: `credits` for each `per` of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UnitRate {
    /// A decimal, as text, with up to nine places.
    #[schema(value_type = String, pattern = r"^(0|[1-9][0-9]{0,15})(\.[0-9]{1,9})?$", example = "2.5")]
    pub credits: Decimal,
    /// For how many units that is; 1 if not given.
    #[serde(default = "one")]
    #[schema(required = false, minimum = 1, maximum = 1_000_000_000_000_i64, default = 1)]
    pub per: u64,
}

fn one() -> u64 {
    1
}

/// The rates of all kinds of unit of a resource. One that names none prices nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateCard {
    units: BTreeMap<String, UnitRate>,
    common_multiple: u64,
}

/// What is wrong with a card.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCard {
    /// Too many kinds.
    #[error("a rate names at most {MAX_UNIT_KINDS} kinds of unit")]
    Count,
    /// A kind has a name that none can have.
    #[error("a unit is named by 1 to 50 of the characters a-z, 0-9 and _")]
    Name(String),
    /// A rate is for nothing, or for too much.
    #[error("per must be a whole number from 1 to {MAX_PER}")]
    Per(String),
    /// Its fractions have no common denominator that is small enough.
    #[error("the least common multiple of all per must be at most {MAX_COMMON_MULTIPLE}")]
    CommonMultiple,
}

/// Why units have no price.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unpriced {
    /// Nothing says what resource they are of.
    #[error("no resource is named, so that nothing says what units cost")]
    NoResource,
    /// No rate of the resource is in force.
    #[error("no rate of the resource is in force")]
    NoRate,
    /// The rate in force does not know these kinds.
    #[error("the rate in force has no unit {}", .0.join(", "))]
    UnknownUnits(Vec<String>),
    /// They come to more than 2^53 - 1.
    #[error("the units come to more than 9007199254740991 credits")]
    OutOfRange,
}

/// What units come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Price {
    /// Rounded up to whole credits: 0 to 2^53 - 1.
    pub credits: i64,
    /// Before rounding.
    pub exact: Exact,
}

impl RateCard {
    /// A card with these rates.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn new(units: BTreeMap<String, UnitRate>) -> Result<Self, Vec<InvalidCard>> {
        let mut wrong = Vec::new();
        if units.len() > MAX_UNIT_KINDS {
            wrong.push(InvalidCard::Count);
        }
        wrong.extend(units.keys().filter(|name| !is_valid_unit(name)).cloned().map(InvalidCard::Name));
        let is_for_something = |rate: &UnitRate| (1..=MAX_PER).contains(&rate.per);
        let pers = units.iter().filter(|(_, rate)| !is_for_something(rate));
        wrong.extend(pers.map(|(name, _)| InvalidCard::Per(name.clone())));
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let multiple = units.values().try_fold(1, |multiple, rate| common_multiple(multiple, rate.per));
        match multiple {
            Some(common_multiple) => Ok(Self { units, common_multiple }),
            None => Err(vec![InvalidCard::CommonMultiple]),
        }
    }

    /// Each kind of unit with its rate, by name.
    #[must_use]
    pub fn units(&self) -> &BTreeMap<String, UnitRate> {
        &self.units
    }

    /// What `units` come to. Kinds that the card has and they have not count as 0.
    ///
    /// # Errors
    /// [`Unpriced`].
    pub fn price(&self, units: &Units) -> Result<Price, Unpriced> {
        if self.units.is_empty() {
            return Err(Unpriced::NoRate);
        }
        let unknown = units.iter().filter(|(name, _)| !self.units.contains_key(*name));
        let unknown: Vec<String> = unknown.map(|(name, _)| name.to_owned()).collect();
        if !unknown.is_empty() {
            return Err(Unpriced::UnknownUnits(unknown));
        }
        let mut parts = units.iter().map(|(name, quantity)| self.parts(name, quantity));
        let sum = parts.try_fold(0_u128, |sum, part| sum.checked_add(part?));
        let sum = sum.ok_or(Unpriced::OutOfRange)?;
        let exact = Exact::new(sum, exact::denominator(self.common_multiple));
        let credits = i64::try_from(exact.rounded_up()).ok().filter(|credits| *credits < CREDITS_LIMIT);
        Ok(Price { credits: credits.ok_or(Unpriced::OutOfRange)?, exact })
    }

    /// What `quantity` of one kind comes to by itself, if that can be booked.
    #[must_use]
    pub fn price_of(&self, unit: &str, quantity: u64) -> Option<Exact> {
        Some(Exact::new(self.parts(unit, quantity)?, exact::denominator(self.common_multiple)))
    }

    /// The numerator of what `quantity` of one kind comes to; none if it overflows, or
    /// the card does not have the kind.
    fn parts(&self, unit: &str, quantity: u64) -> Option<u128> {
        let rate = self.units.get(unit)?;
        let factor = u128::from(self.common_multiple / rate.per);
        u128::from(quantity).checked_mul(rate.credits.billionths())?.checked_mul(factor)
    }
}

/// The least common multiple, if it is small enough.
fn common_multiple(one: u64, other: u64) -> Option<u64> {
    let (one, other) = (u128::from(one), u128::from(other));
    let multiple = one / greatest_common_divisor(one, other) * other;
    u64::try_from(multiple).ok().filter(|multiple| *multiple <= MAX_COMMON_MULTIPLE)
}
