//! docs/api.md says who may call what: its tables are what the code enforces.

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
