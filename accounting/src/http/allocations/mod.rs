//! `/v1/accounts/{user_id}/allocations`: credits that came in together.

pub(super) mod create;
pub(super) mod get;

use accrue_chassis::problem::FieldError;

/// What is wrong with an amount that is not 1 to 2^53 - 1.
pub(super) fn credits_out_of_range() -> FieldError {
    let detail = "credits must be a whole number from 1 to 9007199254740991.";
    FieldError::new("/credits", "out_of_range", detail)
}
