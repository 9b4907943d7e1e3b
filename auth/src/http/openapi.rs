//! What the OpenAPI document says besides the operations: title, tokens, scopes.

use accrue_chassis::http::{OWNER_SCHEME, TOKEN_SCHEME};
use accrue_chassis::problem_docs::{ProblemBody, ProblemField};
use utoipa::openapi::OpenApi;
use utoipa::openapi::security::{
    ClientCredentials, Flow, HttpAuthScheme, HttpBuilder, OAuth2, Scopes, SecurityScheme,
};
use utoipa::{Modify, OpenApi as _};

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Accrue auth",
        description = "Users and their tokens. Errors are `application/problem+json` (RFC 9457), but for \
                       those of `/oauth2`, which are OAuth's (RFC 6749).",
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
            ("users:admin", "Look after users."),
            ("events:admin", "See to it that the services agree: replays, reconciliation, dead letters."),
            ("accounts:read", "Read every account."),
            ("credits:write", "Allocate credits to any account."),
            ("usage:write", "Spend credits of any account."),
            ("rates:write", "Say what units of a resource cost."),
        ]);
        let flow = Flow::ClientCredentials(ClientCredentials::new("/oauth2/token", scopes));
        let owner = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .description(Some("The access token of a signed-in user, for what is the user's own."))
            .build();
        let components = document.components.get_or_insert_default();
        let token = OAuth2::with_description([flow], "An access token with scopes.");
        components.add_security_scheme(TOKEN_SCHEME, SecurityScheme::OAuth2(token));
        components.add_security_scheme(OWNER_SCHEME, SecurityScheme::Http(owner));
    }
}
