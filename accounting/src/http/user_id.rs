//! User ids in paths: what may stand there, and how to write them into an address.

use accrue_chassis::problem::{FieldError, Problem};
use accrue_events::user::is_valid_user_id;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What stays as it is in a path segment: RFC 3986's unreserved characters.
pub(super) const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Refuses what no user can be called.
pub(super) fn check(user_id: &str) -> Result<(), Problem> {
    if is_valid_user_id(user_id) {
        return Ok(());
    }
    let detail = "The user id in the path must be 1 to 50 characters long, without control characters, and \
                  neither \".\" nor \"..\".";
    Err(Problem::invalid(vec![FieldError::new("", "invalid_user_id", detail)]))
}

/// The address of a `resource` below an account.
pub(super) fn address(user_id: &str, resource: &str) -> String {
    format!("/v1/accounts/{}/{resource}", utf8_percent_encode(user_id, SEGMENT))
}
