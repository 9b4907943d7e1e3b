//! What the OpenAPI document says besides the operations: title, tokens, scopes.

use accrue_chassis::http::{OWNER_SCHEME, TOKEN_SCHEME};
use accrue_chassis::problem_docs::{ProblemBody, ProblemField};
use utoipa::openapi::OpenApi;
use utoipa::openapi::security::{
    ClientCredentials, Flow, HttpAuthScheme, HttpBuilder, OAuth2, Scopes, SecurityScheme,
};
use utoipa::{Modify, OpenApi as _};

/// Spend, hold and refund credits.
pub(super) const USAGE_WRITE: &str = "usage:write";
/// Allocate, void, adjust and transfer credits.
pub(super) const CREDITS_WRITE: &str = "credits:write";
/// Say what units cost.
pub(super) const RATES_WRITE: &str = "rates:write";
/// Read every account.
pub(super) const ACCOUNTS_READ: &str = "accounts:read";
/// Look after events that were given up on, and compare accounts with auth's users.
pub(super) const EVENTS_ADMIN: &str = "events:admin";

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Accrue accounting",
        description = "Prepaid credits. Errors are `application/problem+json` (RFC 9457).",
    ),
    components(schemas(ProblemBody, ProblemField)),
    modifiers(&Security)
)]
struct Document;

/// The document, without operations.
pub(super) fn document() -> OpenApi {
    Document::openapi()
}

struct Security;

impl Modify for Security {
    fn modify(&self, document: &mut OpenApi) {
        let scopes = Scopes::from_iter([
            (CREDITS_WRITE, "Allocate, void, adjust and transfer credits of any account."),
            (USAGE_WRITE, "Spend, hold and refund credits of any account."),
            (RATES_WRITE, "Say what units of a resource cost."),
            (ACCOUNTS_READ, "Read every account."),
            (EVENTS_ADMIN, "See to it that the services agree: dead letters, comparing accounts with users."),
        ]);
        let flow = Flow::ClientCredentials(ClientCredentials::new("/oauth2/token", scopes));
        let owner = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .description(Some("The access token of the user whose id is in the path."))
            .build();
        let components = document.components.get_or_insert_default();
        let token = OAuth2::with_description([flow], "An access token from auth, with scopes.");
        components.add_security_scheme(TOKEN_SCHEME, SecurityScheme::OAuth2(token));
        components.add_security_scheme(OWNER_SCHEME, SecurityScheme::Http(owner));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    fn references(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str).map(ToOwned::to_owned));
                members.values().for_each(|member| references(member, found));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }

    #[test]
    fn every_schema_that_is_named_is_there() {
        let document = serde_json::to_value(crate::http::openapi()).expect("JSON");
        let mut found = BTreeSet::new();
        references(&document, &mut found);
        assert!(found.len() > 20, "{found:?}");
        for reference in found {
            let pointer = reference.strip_prefix('#').expect("within the document");
            assert!(document.pointer(pointer).is_some(), "{reference} is not there");
        }
    }
}
