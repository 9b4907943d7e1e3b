//! Pages of a collection: `?limit=&cursor=`, newest first.

use accrue_chassis::problem::{FieldError, Problem};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use utoipa::ToSchema;

const DEFAULT_LIMIT: u32 = 50;
const MAX_LIMIT: u32 = 200;

/// One page.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Page<T> {
    /// The items.
    data: Vec<T>,
    /// To be sent back as `cursor` for the page after; none on the last one.
    next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// A page of `limit` out of up to `limit + 1` items that were read.
    pub(super) fn cut(mut items: Vec<T>, limit: u32, position: impl Fn(&T) -> String) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let has_more = items.len() > limit;
        items.truncate(limit);
        let last = items.last().filter(|_| has_more);
        let next_cursor = last.map(|item| URL_SAFE_NO_PAD.encode(position(item)));
        Self { data: items, next_cursor }
    }

    /// The same page in the form that callers see.
    pub(super) fn map<U>(self, form: impl Fn(T) -> U) -> Page<U> {
        Page { data: self.data.into_iter().map(form).collect(), next_cursor: self.next_cursor }
    }
}

/// How many items a page is to hold.
pub(super) fn checked_limit(limit: Option<u32>) -> Result<u32, Problem> {
    let limit = limit.unwrap_or(DEFAULT_LIMIT);
    if (1..=MAX_LIMIT).contains(&limit) {
        return Ok(limit);
    }
    let detail = format!("limit must be from 1 to {MAX_LIMIT}.");
    Err(Problem::invalid(vec![FieldError::new("", "invalid_limit", detail)]))
}

/// The position in a cursor, read by `parse`.
pub(super) fn position<P>(cursor: &str, parse: impl FnOnce(&str) -> Option<P>) -> Result<P, Problem> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok();
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    text.as_deref().and_then(parse).ok_or_else(|| {
        let detail =
            "The cursor is not one that this collection gave. Leave it out to begin at the first page.";
        Problem::invalid(vec![FieldError::new("", "invalid_cursor", detail)])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_points_on_only_while_there_is_more() {
        let page = Page::cut(vec![3, 2, 1], 2, i32::to_string).map(|item| item * 10);
        assert_eq!(page.data, [30, 20]);
        let cursor = page.next_cursor.expect("there is more");
        assert_eq!(position(&cursor, |text| text.parse::<i32>().ok()).expect("ours"), 2);
        assert_eq!(Page::cut(vec![1], 1, i32::to_string).next_cursor, None);
        for rubbish in ["!", "AAAA", "", "Mw=="] {
            assert!(position(rubbish, |text| text.parse::<i32>().ok()).is_err(), "{rubbish}");
        }
    }

    #[test]
    fn limits_are_bounded() {
        assert_eq!(checked_limit(None).expect("the default"), 50);
        assert!(checked_limit(Some(0)).is_err() && checked_limit(Some(201)).is_err());
    }
}
