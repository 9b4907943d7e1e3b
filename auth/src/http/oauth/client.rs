//! Which client asks, and whether it is the one (RFC 6749, section 2.3).

use accrue_chassis::http::{Form, SECURITY_LOG};
use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::error::OAuthError;
use crate::domain::Client;
use crate::http::App;
use crate::tokens::FIRST_PARTY_CLIENT;

/// Who asks for something.
pub(super) enum Asking {
    /// A service that has shown its secret.
    Service(Client),
    /// Our own client, which has none.
    FirstParty,
}

/// Finds out who asks: by HTTP Basic, or by the fields `client_id` and `client_secret`.
pub(super) async fn identify(app: &App, headers: &HeaderMap, form: &Form) -> Result<Asking, OAuthError> {
    let (id, secret) = (form.get("client_id")?, form.get("client_secret")?);
    if headers.contains_key(header::AUTHORIZATION) {
        let (basic_id, basic_secret) = basic(headers).ok_or_else(OAuthError::invalid_client)?;
        if secret.is_some() || id.is_some_and(|id| id != basic_id) {
            return Err(OAuthError::invalid_request("Authenticate the client in one way only."));
        }
        return authenticate(app, &basic_id, &basic_secret).await;
    }
    match (id, secret) {
        (Some(id), Some(secret)) => authenticate(app, id, secret).await,
        (None, Some(_)) => Err(OAuthError::invalid_request("Give client_id with client_secret.")),
        (None | Some(FIRST_PARTY_CLIENT), None) => Ok(Asking::FirstParty),
        (Some(_), None) => Err(OAuthError::invalid_client()),
    }
}

async fn authenticate(app: &App, id: &str, secret: &str) -> Result<Asking, OAuthError> {
    // An id that no client can have is not worth a question to the database.
    let client = if uuid::Uuid::parse_str(id).is_ok() { app.store.client(id).await? } else { None };
    let client_id = client.as_ref().map(|client| client.client_id.clone());
    client.filter(|client| client.has_secret(secret)).map(Asking::Service).ok_or_else(|| {
        tracing::info!(target: SECURITY_LOG, event = "client_refused", client_id);
        OAuthError::invalid_client()
    })
}

/// Id and secret, each of which was encoded as in a form before they were put together.
fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next()?.to_str().ok().filter(|_| values.next().is_none())?;
    let (scheme, credentials) = value.split_once(' ')?;
    let credentials =
        scheme.eq_ignore_ascii_case("basic").then(|| STANDARD.decode(credentials.trim()).ok())??;
    let credentials = String::from_utf8(credentials).ok().filter(|text| !text.contains('\0'))?;
    let (id, secret) = credentials.split_once(':')?;
    Some((decode(id), decode(secret)))
}

fn decode(text: &str) -> String {
    // As the value of a field, which it was encoded like; `&` and `=` are never left in it.
    let field = format!("x={}", text.replace('&', "%26"));
    url::form_urlencoded::parse(field.as_bytes())
        .next()
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn read(value: &str) -> Option<(String, String)> {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, HeaderValue::from_str(value).expect("a header"));
        basic(&headers)
    }

    #[test]
    fn basic_credentials_are_decoded_twice() {
        let encode = |text: &str| format!("Basic {}", STANDARD.encode(text));
        assert_eq!(read(&encode("a:b")), Some(("a".into(), "b".into())));
        assert_eq!(read(&encode("a%3Ab:c+d%26&=:e")), Some(("a:b".into(), "c d&&=:e".into())));
        for bad in ["Basic", "Basic !", "Bearer YTpi", &encode("no colon"), &encode("a:b\0")] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
