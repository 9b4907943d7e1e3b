//! `/v1/accounts/{user_id}/reservations`: credits held for a time.

pub(super) mod capture;
pub(super) mod create;
pub(super) mod extend;
pub(super) mod get;
pub(super) mod list;
pub(super) mod release;

use accrue_chassis::problem::Problem;
use uuid::Uuid;

/// 404 for a reservation that the account does not have.
pub(super) fn unknown_reservation() -> Problem {
    Problem::not_found("reservation_not_found", "This account has no reservation of this id.")
}

fn parse_id(id: &str) -> Result<Uuid, Problem> {
    Uuid::parse_str(id).map_err(|_| unknown_reservation())
}
