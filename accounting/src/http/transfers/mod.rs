//! `/v1/accounts/{user_id}/transfers`: credits that move to another account.

pub(super) mod create;
