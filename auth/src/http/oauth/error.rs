//! Errors as OAuth shows them (RFC 6749, section 5.2).

use accrue_chassis::http::{Form, Repeated};
use accrue_chassis::problem::Problem;
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::forbid_caching;
use crate::http::error::ApiError;
use crate::store::StoreError;
use crate::tokens::KeyRingError;

/// Why there is no token.
#[derive(Debug)]
pub(in crate::http) enum OAuthError {
    /// The request's doing.
    Refused {
        /// RFC 6749's word for it.
        error: &'static str,
        /// For people.
        description: &'static str,
    },
    /// Ours, which is told like everywhere.
    Failed(ApiError),
}

/// Why there is no token (RFC 6749, section 5.2).
#[derive(Serialize, ToSchema)]
#[schema(as = OAuthError, example = json!({
    "error": "invalid_grant", "error_description": "The refresh token is not good, or no longer.",
}))]
pub(in crate::http) struct OAuthErrorBody {
    /// RFC 6749's word for it.
    error: &'static str,
    /// For people.
    error_description: &'static str,
}

impl OAuthError {
    pub(super) fn invalid_request(description: &'static str) -> Self {
        Self::Refused { error: "invalid_request", description }
    }

    pub(super) fn invalid_client() -> Self {
        Self::Refused {
            error: "invalid_client",
            description: "There is no such client, or its secret is wrong.",
        }
    }

    pub(super) fn invalid_grant() -> Self {
        Self::Refused { error: "invalid_grant", description: "The refresh token is not good, or no longer." }
    }

    pub(super) fn invalid_scope() -> Self {
        Self::Refused { error: "invalid_scope", description: "That is more than may be asked for here." }
    }
}

impl From<Repeated> for OAuthError {
    fn from(_: Repeated) -> Self {
        Self::invalid_request("A field is there more than once.")
    }
}

impl From<StoreError> for OAuthError {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<KeyRingError> for OAuthError {
    fn from(error: KeyRingError) -> Self {
        Self::Failed(error.into())
    }
}

impl IntoResponse for OAuthError {
    fn into_response(self) -> Response {
        let (error, description) = match self {
            Self::Refused { error, description } => (error, description),
            Self::Failed(error) => return error.into_response(),
        };
        let is_client = error == "invalid_client";
        let status = if is_client { StatusCode::UNAUTHORIZED } else { StatusCode::BAD_REQUEST };
        let body = OAuthErrorBody { error, error_description: description };
        let mut response = (status, Json(body)).into_response();
        forbid_caching(&mut response);
        if is_client {
            let challenge = HeaderValue::from_static("Basic realm=\"accrue\", charset=\"UTF-8\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

/// The form, or OAuth's word for one that cannot be read.
pub(super) fn read(form: Result<Form, Problem>) -> Result<Form, OAuthError> {
    form.map_err(|problem| {
        OAuthError::invalid_request(match problem.code() {
            "unsupported_media_type" => "Send a form: Content-Type application/x-www-form-urlencoded.",
            "body_too_large" => "The form is too large.",
            "nul_character" => "A field holds a NUL character.",
            _ => "The form cannot be read.",
        })
    })
}
