//! `Prefer: wait=N` (RFC 7240): for how many seconds whoever asks would rather wait.

use axum::http::HeaderMap;

/// The seconds that are preferred. Of several the first counts; what cannot be read is as if it
/// were not there, since a preference may always be ignored.
pub(super) fn wait_s(headers: &HeaderMap) -> Option<u64> {
    let lists = headers.get_all("prefer").iter().filter_map(|list| list.to_str().ok());
    let preferences = lists.flat_map(|list| split(list, ','));
    let value = preferences.into_iter().find_map(|preference| {
        // Parameters come after the first semicolon.
        let preference = split(preference, ';').into_iter().next().unwrap_or_default();
        let (name, value) = preference.split_once('=').unwrap_or((preference, ""));
        name.trim().eq_ignore_ascii_case("wait").then(|| value.trim())
    })?;
    let unquoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
    let digits = unquoted.unwrap_or(value);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    // One that is too large for any number is only longer than anybody waits.
    is_number.then(|| digits.parse().unwrap_or(u64::MAX))
}

/// The parts of `text` between `separator`s that stand in no quotes.
fn split(text: &str, separator: char) -> Vec<&str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    let is_end = |c: char| {
        let is_end = c == separator && !is_quoted;
        if c == '"' && !is_escaped {
            is_quoted = !is_quoted;
        }
        is_escaped = is_quoted && c == '\\' && !is_escaped;
        is_end
    };
    text.split(is_end).collect()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn read(lists: &[&'static str]) -> Option<u64> {
        let mut headers = HeaderMap::new();
        for list in lists {
            headers.append("prefer", HeaderValue::from_static(list));
        }
        wait_s(&headers)
    }

    #[test]
    fn reads_the_first_wait_there_is() {
        for (lists, expected) in [
            (&["wait=5"][..], Some(5)),
            (&["respond-async, wait=10"], Some(10)),
            (&["handling=lenient", "Wait = 7 ; why=\"x, wait=9\""], Some(7)),
            (&["wait=\"3\""], Some(3)),
            (&["wait=1, wait=2"], Some(1)),
            (&["wait=0"], Some(0)),
            (&["wait=99999999999999999999999"], Some(u64::MAX)),
            (&["note=\"\\\", wait=8\", wait=4"], Some(4)),
            (&["waiting=5"], None),
            (&["wait"], None),
            (&["wait="], None),
            (&["wait=-1"], None),
            (&["wait=1.5"], None),
            (&["wait=soon, wait=5"], None),
            (&["note=\"wait=5"], None),
            (&[",,;=,"], None),
            (&[""], None),
            (&[], None),
        ] {
            assert_eq!(read(lists), expected, "{lists:?}");
        }
    }
}
