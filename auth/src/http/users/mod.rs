//! Users as HTTP shows them.

mod get;
mod register;

use accrue_events::user::UserStatus;
use serde::Serialize;
use time::OffsetDateTime;

pub(super) use get::get;
pub(super) use register::register;

use crate::domain::{DisplayName, EmailAddress, Role, User, Username};

/// A user in a reply.
#[derive(Serialize)]
struct UserBody<'a> {
    user_id: &'a str,
    email: Option<&'a str>,
    email_verified: bool,
    username: Option<&'a str>,
    display_name: Option<&'a str>,
    roles: Vec<Role>,
    status: UserStatus,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
}

impl<'a> From<&'a User> for UserBody<'a> {
    fn from(user: &'a User) -> Self {
        Self {
            user_id: &user.user_id,
            email: user.email.as_ref().map(EmailAddress::as_str),
            email_verified: user.email_verified,
            username: user.username.as_ref().map(Username::as_str),
            display_name: user.display_name.as_ref().map(DisplayName::as_str),
            roles: user.roles.iter().collect(),
            status: user.status,
            created_at: user.created_at,
        }
    }
}
