//! Extractors whose rejections are problems: JSON bodies, path and query parameters.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::problem::{FieldError, Problem};

/// The most that a request body may hold, unless its route says otherwise.
pub const DEFAULT_BODY_LIMIT_BYTES: usize = 16 * 1024;

/// A JSON body of at most `LIMIT_BYTES`. It refuses what no store of ours can
/// keep: a NUL character anywhere in it.
#[derive(Debug)]
pub struct Json<T, const LIMIT_BYTES: usize = DEFAULT_BODY_LIMIT_BYTES>(pub T);

impl<S, T, const LIMIT_BYTES: usize> FromRequest<S> for Json<T, LIMIT_BYTES>
where
    S: Send + Sync,
    T: DeserializeOwned,
{
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        require_json(request.headers())?;
        let body = read_body(request, LIMIT_BYTES).await?;
        parse(&body).map(Self)
    }
}

fn require_json(headers: &HeaderMap) -> Result<(), Problem> {
    let essence = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .map(|value| value.split(';').next().unwrap_or("").trim().to_ascii_lowercase());
    if essence.is_some_and(|kind| kind == "application/json" || kind.ends_with("+json")) {
        return Ok(());
    }
    let detail = "Send the body as JSON, with the header `Content-Type: application/json`.";
    Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail))
}

pub(super) async fn read_body(request: Request, limit_bytes: usize) -> Result<Bytes, Problem> {
    match Limited::new(request.into_body(), limit_bytes).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.downcast_ref::<LengthLimitError>().is_some() => {
            let detail = format!("The body is larger than the {limit_bytes} bytes that this route takes.");
            Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail))
        }
        Err(_) => Err(Problem::bad_request("body_unreadable", "The body ended before it was complete.")),
    }
}

/// Reads a `T` from JSON text.
fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    // Nearly every body is good: what is wrong with one is looked for when something is.
    if is_plain_object(body)
        && let Ok(fitting) = serde_json::from_slice(body)
    {
        return Ok(fitting);
    }
    parse_telling(body)
}

/// Whether it can only be an object without any NUL character, if it is JSON at all. In
/// JSON text such a character is always escaped.
fn is_plain_object(body: &[u8]) -> bool {
    body.trim_ascii_start().starts_with(b"{") && !body.windows(6).any(|six| six == br"\u0000")
}

/// Reads a `T` from JSON text, or says why there is none in it.
fn parse_telling<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let value: Value = serde_json::from_slice(body).map_err(|error| {
        Problem::bad_request("malformed_json", format!("The body is not valid JSON: {error}."))
    })?;
    if let Some(pointer) = find_nul(&value, &mut String::new()) {
        let detail = format!("The text at \"{pointer}\" holds a NUL character (\\u0000); leave it out.");
        return Err(Problem::invalid(vec![FieldError::new(pointer, "nul_character", detail)]));
    }
    if !value.is_object() {
        // serde would take an array for an object, member by member.
        let detail = "The body must be a JSON object.";
        return Err(Problem::invalid(vec![FieldError::new("", "invalid_value", detail)]));
    }
    // From the text once more: a member that is there twice is lost in the value.
    let mut text = serde_json::Deserializer::from_slice(body);
    serde_path_to_error::deserialize(&mut text).map_err(|error| {
        let pointer = json_pointer(error.path());
        let place = if pointer.is_empty() { String::new() } else { format!(" at \"{pointer}\"") };
        let detail = format!("The body does not fit{place}: {}.", error.inner());
        Problem::invalid(vec![FieldError::new(pointer, "invalid_value", detail)])
    })
}

/// Where the first text with a NUL character stands.
fn find_nul(value: &Value, pointer: &mut String) -> Option<String> {
    let descend = |child: &Value, step: &str, pointer: &mut String| {
        let length = pointer.len();
        pointer.push('/');
        pointer.push_str(&escape(step));
        let found = find_nul(child, pointer);
        pointer.truncate(length);
        found
    };
    match value {
        Value::String(text) => text.contains('\0').then(|| pointer.clone()),
        Value::Array(items) => {
            items.iter().enumerate().find_map(|(index, item)| descend(item, &index.to_string(), pointer))
        }
        Value::Object(members) => members.iter().find_map(|(name, member)| {
            if name.contains('\0') { Some(pointer.clone()) } else { descend(member, name, pointer) }
        }),
        _ => None,
    }
}

/// RFC 6901's escapes.
fn escape(step: &str) -> String {
    step.replace('~', "~0").replace('/', "~1")
}

fn json_pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    path.iter()
        .filter_map(|segment| match segment {
            Segment::Seq { index } => Some(format!("/{index}")),
            Segment::Map { key } => Some(format!("/{}", escape(key))),
            Segment::Enum { variant } => Some(format!("/{}", escape(variant))),
            Segment::Unknown => None,
        })
        .collect()
}

/// Path parameters.
#[derive(Debug)]
pub struct Path<T>(pub T);

impl<S, T> FromRequestParts<S> for Path<T>
where
    S: Send + Sync,
    T: DeserializeOwned + Send,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = axum::extract::Path::from_request_parts(parts, state).await;
        path.map(|axum::extract::Path(value)| Self(value)).map_err(|error| {
            Problem::bad_request("invalid_path", format!("The path cannot be read: {}.", error.body_text()))
        })
    }
}

/// Query parameters.
#[derive(Debug)]
pub struct Query<T>(pub T);

impl<S, T> FromRequestParts<S> for Query<T>
where
    S: Send + Sync,
    T: DeserializeOwned,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = axum::extract::Query::from_request_parts(parts, state).await;
        query
            .map(|axum::extract::Query(value)| Self(value))
            .map_err(|error| Problem::bad_request("invalid_query", format!("{}.", error.body_text())))
    }
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse as _;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Order {
        credits: i64,
        #[serde(default)]
        tags: Vec<String>,
    }

    async fn told(body: &str) -> Value {
        let problem = parse::<Order>(body.as_bytes()).expect_err("a bad body");
        let response = problem.into_response();
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
        let bytes = response.into_body().collect().await.expect("a body").to_bytes();
        serde_json::from_slice(&bytes).expect("JSON")
    }

    #[tokio::test]
    async fn says_where_a_body_is_wrong() {
        assert_eq!(told("{").await["code"], "malformed_json");
        assert_eq!(told(r#"{"credits":"1"}"#).await["errors"][0]["pointer"], "/credits");
        assert_eq!(told(r#"{"credits":1.5}"#).await["errors"][0]["pointer"], "/credits");
        assert_eq!(told(r#"{"credits":1,"tags":["a","b\u0000"]}"#).await["errors"][0]["pointer"], "/tags/1");
        assert_eq!(told(r#"{"credits":1,"a/b\u0000":1}"#).await["errors"][0]["code"], "nul_character");
        assert_eq!(told("[5,[]]").await["code"], "invalid_request");
        let twice = told(r#"{"credits":1,"credits":2}"#).await;
        assert!(twice["detail"].as_str().expect("text").contains("duplicate field `credits`"), "{twice}");
        let unknown = told(r#"{"credits":1,"credit":2}"#).await;
        assert!(unknown["detail"].as_str().expect("text").contains("unknown field `credit`"), "{unknown}");
    }

    #[test]
    fn takes_what_fits() {
        let order: Order = parse(br#"{"credits":5,"tags":["x"]}"#).expect("a good body");
        assert_eq!((order.credits, order.tags.len()), (5, 1));
    }
}
