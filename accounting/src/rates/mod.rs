//! What units of a resource cost: decimals, rate cards, their versions. Pure: no I/O, no clock.

mod card;
mod decimal;
mod exact;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod properties;
mod units;
mod version;

pub use card::{
    InvalidCard, MAX_COMMON_MULTIPLE, MAX_PER, MAX_UNIT_KINDS, Price, RateCard, UnitRate, Unpriced,
};
pub use decimal::{Decimal, InvalidDecimal};
pub use exact::Exact;
pub use units::{InvalidUnits, MAX_QUANTITY, MAX_UNIT_NAME_CHARS, Units, is_valid_unit};
pub use version::{EffectiveInPast, RateOrder, RateVersion, Revision, in_force, revise, scheduled};
