//! `/v1/accounts/{user_id}/adjustments`: corrections by an operator.

pub(super) mod create;
