//! `/v1/accounts/{user_id}/usage`: credits that were spent together.

pub(super) mod create;
pub(super) mod get;
pub(super) mod list;
pub(super) mod refund;

use accrue_chassis::problem::Problem;
use uuid::Uuid;

/// 404 for a usage that the account does not have.
pub(super) fn unknown_usage() -> Problem {
    Problem::not_found("usage_not_found", "This account has no usage of this id.")
}

fn parse_id(id: &str) -> Result<Uuid, Problem> {
    Uuid::parse_str(id).map_err(|_| unknown_usage())
}
