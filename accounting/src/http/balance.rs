//! A balance as callers see it.

use serde::Serialize;
use utoipa::ToSchema;

/// What an account holds, in credits.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Balance {
    /// Can be spent.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    pub(super) available: i64,
    /// Held for later.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    pub(super) reserved: i64,
}
