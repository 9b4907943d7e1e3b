//! Users as HTTP shows them.

pub(super) mod admin;
pub(super) mod apply;
mod batch;
mod batch_item;
mod deactivate;
mod delete;
mod fields;
mod get;
mod list;
mod me;
mod password_reset;
pub(super) mod problems;
mod quiet;
mod reactivate;
mod register;
mod roles;
mod sign_up;

use accrue_events::user::UserStatus;
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;
use crate::domain::{DisplayName, EmailAddress, Role, User, Username};

/// Every route of users.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(register::register, list::list))
        .routes(routes!(batch::batch))
        .routes(routes!(me::get::get, me::patch::patch, me::delete::delete))
        .routes(routes!(me::password::put))
        .routes(routes!(get::get, delete::delete))
        .routes(routes!(deactivate::deactivate))
        .routes(routes!(reactivate::reactivate))
        .routes(routes!(roles::put))
        .routes(routes!(password_reset::send))
}

/// A user.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = User, example = json!({
    "user_id": "65f0c0ffee0000000000abcd", "email": "ada@example.com", "email_verified": false,
    "username": "ada", "display_name": "Ada", "roles": [], "status": "active",
    "created_at": "2026-01-02T03:04:05.678Z",
}))]
pub(super) struct UserBody {
    /// Opaque.
    #[schema(min_length = 1, max_length = 50)]
    user_id: String,
    /// None once the user has been erased.
    email: Option<String>,
    /// Whether the user has shown that the address is theirs.
    email_verified: bool,
    /// A name of the user's own for signing in.
    username: Option<String>,
    /// What to call the user.
    display_name: Option<String>,
    /// `admin` or `supervisor`; a plain user has none.
    #[schema(value_type = Vec<Role>)]
    roles: Vec<&'static str>,
    /// `active`, `deactivated` or `deleted`.
    #[schema(pattern = "^(active|deactivated|deleted)$")]
    status: &'static str,
    /// When the user registered.
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
}

impl From<&User> for UserBody {
    fn from(user: &User) -> Self {
        Self {
            user_id: user.user_id.clone(),
            email: user.email.as_ref().map(EmailAddress::as_str).map(str::to_owned),
            email_verified: user.email_verified,
            username: user.username.as_ref().map(Username::as_str).map(str::to_owned),
            display_name: user.display_name.as_ref().map(DisplayName::as_str).map(str::to_owned),
            roles: user.roles.iter().map(Role::word).collect(),
            status: status_word(user.status),
            created_at: user.created_at,
        }
    }
}

pub(super) fn status_word(status: UserStatus) -> &'static str {
    match status {
        UserStatus::Active => "active",
        UserStatus::Deactivated => "deactivated",
        UserStatus::Deleted => "deleted",
    }
}
