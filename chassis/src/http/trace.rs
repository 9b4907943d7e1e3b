//! The trace that a request belongs to: W3C `traceparent` in, `Request-Id` out.

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use rand::RngExt as _;

/// The identity of a request across processes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceContext {
    trace_id: String,
    span_id: String,
}

impl TraceContext {
    /// A child of the `traceparent` that came with the request; a new trace when
    /// none came, or one that does not follow the W3C recommendation.
    #[must_use]
    pub fn from_headers(headers: &HeaderMap) -> Self {
        let trace_id = headers
            .get("traceparent")
            .and_then(|value| value.to_str().ok())
            .and_then(parent_trace_id)
            .unwrap_or_else(|| format!("{:032x}", rand::rng().random_range(1..=u128::MAX)));
        let span_id = format!("{:016x}", rand::rng().random_range(1..=u64::MAX));
        Self { trace_id, span_id }
    }

    /// The trace's id, which is also the `Request-Id`: 32 hexadecimal digits.
    #[must_use]
    pub fn trace_id(&self) -> &str {
        &self.trace_id
    }

    /// The header that carries this trace on.
    #[must_use]
    pub fn traceparent(&self) -> String {
        format!("00-{}-{}-01", self.trace_id, self.span_id)
    }
}

/// The trace id of a valid header, version 00 or one that extends it.
fn parent_trace_id(header: &str) -> Option<String> {
    let mut parts = header.split('-');
    let (version, trace_id, span_id, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_hex = |text: &str, digits| {
        text.len() == digits && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    let is_set = |text: &str| text.bytes().any(|b| b != b'0');
    let valid = is_hex(version, 2)
        && version != "ff"
        && is_hex(trace_id, 32)
        && is_set(trace_id)
        && is_hex(span_id, 16)
        && is_set(span_id)
        && is_hex(flags, 2)
        && (version != "00" || parts.next().is_none());
    valid.then(|| trace_id.to_owned())
}

impl<S: Send + Sync> FromRequestParts<S> for TraceContext {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(parts.extensions.get().cloned().unwrap_or_else(|| Self::from_headers(&parts.headers)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_only_valid_parents() {
        let id = "0af7651916cd43dd8448eb211c80319c";
        assert_eq!(parent_trace_id(&format!("00-{id}-b7ad6b7169203331-01")).as_deref(), Some(id));
        for bad in [
            String::new(),
            format!("00-{id}-b7ad6b7169203331"),
            format!("00-{id}-0000000000000000-01"),
            format!("ff-{id}-b7ad6b7169203331-01"),
            format!("00-{}-b7ad6b7169203331-01", "0".repeat(32)),
            format!("00-{}-b7ad6b7169203331-01", id.to_uppercase()),
            format!("00-{id}-b7ad6b7169203331-01-more"),
        ] {
            assert_eq!(parent_trace_id(&bad), None, "{bad}");
        }
    }
}
