//! Who is asking: what is left of a token once it has been verified.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::{AccessClaims, Scopes};
use crate::problem::Problem;

/// Who is asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// A user's id, or a client's.
    pub subject: String,
    /// The client through which they ask.
    pub client_id: String,
    /// What they may do.
    pub scopes: Scopes,
    /// The session of a user; none where a service asks for itself.
    pub session_id: Option<String>,
}

impl Caller {
    /// The user who asks; none where a service does.
    #[must_use]
    pub fn user_id(&self) -> Option<&str> {
        self.session_id.is_some().then_some(self.subject.as_str())
    }

    /// How entries and logs name them: `user:<id>` or `client:<id>`.
    #[must_use]
    pub fn actor(&self) -> String {
        let kind = if self.session_id.is_some() { "user" } else { "client" };
        format!("{kind}:{}", self.subject)
    }
}

impl From<AccessClaims> for Caller {
    fn from(claims: AccessClaims) -> Self {
        Self {
            scopes: Scopes::parse(&claims.scope),
            subject: claims.sub,
            client_id: claims.client_id,
            session_id: claims.sid,
        }
    }
}

/// The caller that the guard has put into the request. A route without a guard has none.
impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get().cloned().ok_or_else(|| {
            tracing::error!("a route asks who calls it, and has no guard that would know");
            Problem::internal()
        })
    }
}
