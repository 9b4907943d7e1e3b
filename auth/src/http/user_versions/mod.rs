//! How far users have come: what a consumer is compared with, and nothing personal.

mod get;
mod list;

use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;
use super::users::status_word;
use crate::store::UserVersion;

/// Every route of versions.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list::list)).routes(routes!(get::get))
}

/// How far a user has come.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UserVersion, example = json!({
    "user_id": "65f0c0ffee0000000000abcd", "version": 1_767_323_045_678_i64, "status": "active",
}))]
pub(super) struct UserVersionBody {
    /// Opaque.
    #[schema(min_length = 1, max_length = 50)]
    user_id: String,
    /// That of the user's newest event.
    version: i64,
    /// `active`, `deactivated` or `deleted`.
    #[schema(pattern = "^(active|deactivated|deleted)$")]
    status: &'static str,
}

impl From<UserVersion> for UserVersionBody {
    fn from(user: UserVersion) -> Self {
        Self { user_id: user.user_id, version: user.version, status: status_word(user.status) }
    }
}
