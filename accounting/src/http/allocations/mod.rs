//! `/v1/accounts/{user_id}/allocations`: credits that came in together.

pub(super) mod batch;
mod batch_item;
pub(super) mod create;
pub(super) mod get;
pub(super) mod list;
pub(super) mod void;

use accrue_chassis::problem::Problem;
use uuid::Uuid;

/// 404 for an allocation that the account does not have.
pub(super) fn unknown_allocation() -> Problem {
    Problem::not_found("allocation_not_found", "This account has no allocation of this id.")
}

fn parse_id(id: &str) -> Result<Uuid, Problem> {
    Uuid::parse_str(id).map_err(|_| unknown_allocation())
}
