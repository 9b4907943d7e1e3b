//! Form bodies, as OAuth's endpoints take them.

use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};

use super::extract::{DEFAULT_BODY_LIMIT_BYTES, read_body};
use crate::problem::Problem;

/// The fields of an `application/x-www-form-urlencoded` body. It refuses what a JSON
/// body would be refused for: size, and NUL characters.
pub struct Form(Vec<(String, String)>);

/// A field came more than once, which OAuth forbids (RFC 6749, section 3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the field {0} is there more than once")]
pub struct Repeated(&'static str);

impl Form {
    /// The value of the field `name`. An empty one counts as left out (RFC 6749, section 3.1).
    ///
    /// # Errors
    /// [`Repeated`].
    pub fn get(&self, name: &'static str) -> Result<Option<&str>, Repeated> {
        let mut values = self.0.iter().filter(|(field, _)| field == name).map(|(_, value)| value.as_str());
        let value = values.next().filter(|value| !value.is_empty());
        if values.next().is_some() { Err(Repeated(name)) } else { Ok(value) }
    }

    fn parse(body: &[u8]) -> Result<Self, Problem> {
        let fields: Vec<(String, String)> = url::form_urlencoded::parse(body).into_owned().collect();
        if fields.iter().any(|(name, value)| name.contains('\0') || value.contains('\0')) {
            let detail = "A field holds a NUL character; leave it out.";
            return Err(Problem::bad_request("nul_character", detail));
        }
        Ok(Self(fields))
    }
}

impl<S: Send + Sync> FromRequest<S> for Form {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        if !is_form(request.headers()) {
            let detail = "Send a form, with the header `Content-Type: application/x-www-form-urlencoded`.";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail));
        }
        Self::parse(&read_body(request, DEFAULT_BODY_LIMIT_BYTES).await?)
    }
}

fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = kind.map(|kind| kind.split(';').next().unwrap_or("").trim());
    essence.is_some_and(|essence| essence.eq_ignore_ascii_case("application/x-www-form-urlencoded"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_decoded_and_come_once() {
        let form = Form::parse(b"a=1+2%2B&empty=&twice=1&twice=2&x").expect("a form");
        assert_eq!(form.get("a"), Ok(Some("1 2+")));
        assert_eq!((form.get("empty"), form.get("missing"), form.get("x")), (Ok(None), Ok(None), Ok(None)));
        assert_eq!(form.get("twice"), Err(Repeated("twice")));
    }

    #[test]
    fn nul_characters_are_refused() {
        for body in ["a=b%00", "a%00=b"] {
            let problem = Form::parse(body.as_bytes()).err().expect("a problem");
            assert_eq!(problem.code(), "nul_character");
        }
    }
}
