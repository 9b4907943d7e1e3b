//! docs/api.md tells of every route, and its tables of who may call what are what the code enforces.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use accrue_chassis::http::{Access, access_table};
use utoipa::openapi::OpenApi;

/// Set to write the tables in place of comparing them.
const UPDATE: &str = "UPDATE_DOCS";

fn who(access: &[Access]) -> String {
    let words = access.iter().map(|access| match access {
        Access::Anyone => "anyone".to_owned(),
        Access::Owner => "the user".to_owned(),
        Access::Scopes(scopes) => {
            scopes.iter().map(|scope| format!("`{scope}`")).collect::<Vec<_>>().join(" and ")
        }
    });
    words.collect::<Vec<_>>().join(" or ")
}

fn table(document: &OpenApi) -> String {
    let table = access_table(document).expect("every operation says who may call it");
    let mut rows: Vec<_> = table.iter().map(|((method, path), access)| (path, method, who(access))).collect();
    rows.sort();
    let mut text = "| call | who may |\n|---|---|\n".to_owned();
    for (path, method, who) in rows {
        writeln!(text, "| `{method} {path}` | {who} |").expect("text takes text");
    }
    text
}

/// What docs/api.md says outside the tables at its end.
fn prose() -> String {
    let text =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/api.md")).expect("docs/api.md");
    // A call may be broken at the end of a line.
    text.split("<!-- ")
        .map(|part| if part.starts_with("who may call") { "" } else { part })
        .collect::<String>()
        .replace('\n', " ")
}

/// Whether `text` names `path`, or its last part after `…`, as whole words.
fn names(text: &str, path: &str) -> bool {
    let last =
        path.rsplit_once("{user_id}").map(|(_, rest)| format!("...{rest}")).filter(|rest| rest.len() > 3);
    [Some(path.to_owned()), last].into_iter().flatten().any(|path| {
        text.match_indices(&path).any(|(index, _)| {
            let next = text[index + path.len()..].chars().next();
            next.is_none_or(|next| !(next.is_ascii_alphanumeric() || "/-_{".contains(next)))
        })
    })
}

#[test]
fn every_route_is_told_of_outside_the_tables() {
    let text = prose();
    for document in [accrue_auth::openapi(), accrue_accounting::openapi()] {
        assert!(document.paths.paths.len() > 3);
        for path in document.paths.paths.keys() {
            assert!(names(&text, path), "{path} is only in the table of docs/api.md");
        }
    }
    assert!(!names("`POST /v1/users/me`", "/v1/users"));
}

#[test]
fn the_tables_of_who_may_call_what_are_true() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/api.md");
    let mut text = fs::read_to_string(&path).expect("docs/api.md");
    for (service, document) in
        [("auth", accrue_auth::openapi()), ("accounting", accrue_accounting::openapi())]
    {
        let begin = format!("<!-- who may call {service} -->\n");
        let start = text.find(&begin).expect("a marker before the table") + begin.len();
        let end = start + text[start..].find("<!-- end -->").expect("a marker after the table");
        text.replace_range(start..end, &table(&document));
    }
    if std::env::var_os(UPDATE).is_some() {
        fs::write(&path, text).expect("docs/api.md can be written");
    } else {
        let written = fs::read_to_string(&path).expect("docs/api.md");
        assert!(written == text, "docs/api.md is out of date: {UPDATE}=1 cargo test --test api_docs");
    }
}
