//! The OpenAPI document, for programs and, as a page, for people.

use axum::Router;
use utoipa::openapi::OpenApi;
use utoipa_swagger_ui::SwaggerUi;

/// `/openapi.json`, and `/docs` to browse it. The page is in the binary: it asks
/// nothing of anybody else.
pub fn documentation(document: OpenApi) -> Router {
    SwaggerUi::new("/docs").url("/openapi.json", document).into()
}
