//! What a request is to cost: `credits` or `units`.

use accrue_chassis::problem::FieldError;

use super::distinct::Distinct;
use super::fields::credits_out_of_range;
use crate::ledger::{CREDITS_LIMIT, Cost};
use crate::rates::{InvalidUnits, Units};

/// The cost of a request that must name one.
pub(super) fn required(credits: Option<i64>, units: Option<&Distinct<u64>>) -> Result<Cost, Vec<FieldError>> {
    optional(credits, units)?.ok_or_else(|| vec![choose_one()])
}

/// The cost of a request that may leave it open.
pub(super) fn optional(
    credits: Option<i64>,
    units: Option<&Distinct<u64>>,
) -> Result<Option<Cost>, Vec<FieldError>> {
    match (credits, units) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) => Err(vec![choose_one()]),
        (Some(credits), None) if (1..CREDITS_LIMIT).contains(&credits) => Ok(Some(Cost::Credits(credits))),
        (Some(_), None) => Err(vec![credits_out_of_range()]),
        (None, Some(given)) => checked_units(given).map(|units| Some(Cost::Units(units))),
    }
}

/// Units as the ledger takes them.
pub(super) fn checked_units(given: &Distinct<u64>) -> Result<Units, Vec<FieldError>> {
    let told = |wrong: &InvalidUnits| {
        let (pointer, code) = match wrong {
            InvalidUnits::Count => ("/units".to_owned(), "out_of_range"),
            InvalidUnits::Name(name) => (pointer(name), "invalid_unit"),
            InvalidUnits::Quantity(name) => (pointer(name), "out_of_range"),
        };
        FieldError::new(pointer, code, format!("{wrong}."))
    };
    Units::new(given.0.clone()).map_err(|wrong| wrong.iter().map(told).collect())
}

/// Where the unit of that name stands, with RFC 6901's escapes.
pub(super) fn pointer(unit: &str) -> String {
    format!("/units/{}", unit.replace('~', "~0").replace('/', "~1"))
}

/// That units say what they are of.
pub(super) fn resource_required() -> FieldError {
    FieldError::new("/resource", "required", "units need a resource, whose rate says what they cost.")
}

fn choose_one() -> FieldError {
    FieldError::new("/credits", "choose_one", "Give either credits or units.")
}
