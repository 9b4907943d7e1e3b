//! A new password for whoever reads the mail of the user's address.

mod confirm;
mod request;

use accrue_chassis::problem::{FieldError, Problem};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;
use crate::domain::EmailAddress;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(request::request)).routes(routes!(confirm::confirm))
}

/// An address that a mail is asked for.
#[derive(Deserialize, ToSchema)]
#[schema(as = AddressOfUser, example = json!({"email": "ada@example.com"}))]
#[serde(deny_unknown_fields)]
pub(super) struct AddressBody {
    /// The user's address.
    #[schema(required, nullable = false, format = "email", max_length = 254)]
    email: Option<String>,
}

impl AddressBody {
    /// The address, in the form in which addresses are kept.
    pub(super) fn check(self) -> Result<EmailAddress, Problem> {
        let invalid = |code, detail: String| Problem::invalid(vec![FieldError::new("/email", code, detail)]);
        let email = self.email.ok_or_else(|| invalid("required", "Give the field `email`.".to_owned()))?;
        EmailAddress::parse(&email).map_err(|error| invalid("invalid_value", error.to_string()))
    }
}
