//! The README's walk-through, pasted twice.

use std::fs;
use std::path::Path;
use std::process::Command;

use accrue_testkit::eventually;

use crate::process::Process;

/// The block of shell below the heading, with the addresses, the binary and the directory of
/// this test in place of the README's.
fn walk_through(auth: &url::Url, accounting: &url::Url, directory: &Path) -> String {
    let text =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).expect("README.md");
    let (_, below) = text.split_once("## Walk-through").expect("the heading");
    let (_, block) = below.split_once("```sh\n").expect("a block");
    let (block, _) = block.split_once("```").expect("its end");
    let directory = directory.to_str().expect("text");
    let mut block = block.to_owned();
    for (from, to) in [
        ("cargo run -q --", env!("CARGO_BIN_EXE_accrue")),
        ("http://127.0.0.1:8001", auth.as_str().trim_end_matches('/')),
        ("http://127.0.0.1:8002", accounting.as_str().trim_end_matches('/')),
        ("--data-dir data", &format!("--data-dir {directory}")),
        // Two pastes within one second are no paste by hand.
        ("TAG=$(date +%s)", "TAG=$(date +%s%N)"),
    ] {
        assert!(block.contains(from), "{from} is missing in the walk-through");
        block = block.replace(from, to);
    }
    block
}

#[tokio::test]
async fn the_walk_through_can_be_pasted_twice() {
    let dir = accrue_testkit::data_dir();
    let set = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let environment = [
        set("ACCRUE_DATA_DIR", dir.path().to_str().expect("text")),
        set("AUTH_LISTEN", "127.0.0.1:0"),
        set("ACCOUNTING_LISTEN", "127.0.0.1:0"),
    ];
    let process = Process::start(&[], &environment);
    let (auth, accounting) = (process.url_of("auth").await, process.url_of("accounting").await);
    // Nobody pastes before the first administrator is shown, and the list that ends the
    // walk-through would show that one among the newest.
    let is_shown = async || process.logs().contains("The first administrator");
    eventually("the first administrator is shown", is_shown).await;
    if Command::new("curl").arg("--version").output().is_err() {
        eprintln!("SKIP curl: it is not installed");
        return;
    }
    let once = walk_through(&auth, &accounting, dir.path());
    let script = format!("set -eu\n{once}\n{once}");
    let output = Command::new("bash").args(["-c", &script]).output().expect("a shell runs");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    for (word, times) in [
        ("\"reason\":\"first purchase\"", 4),
        ("idempotency-replayed: true", 2),
        ("\"kind\":\"allocation\"", 2),
        ("\"kind\":\"usage\"", 2),
        ("\"roles\":[\"admin\"]", 2),
    ] {
        assert_eq!(told.matches(word).count(), times, "{word} in\n{told}");
    }
    // The account may not have heard of her yet; the administrator has in any case.
    assert!(told.matches("\"display_name\":\"Ada\"").count() >= 2, "{told}");
    assert!(told.contains("\"status\":\"placeholder\"") && !told.contains("application/problem"), "{told}");
}
