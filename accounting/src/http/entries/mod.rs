//! `/v1/accounts/{user_id}/entries`: every booking, newest first.

pub(super) mod list;
