//! `accrue audit`: what its exit codes say.

use std::path::Path;
use std::process::{Command, Output};

fn accrue(args: &[&str], database: Option<&Path>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_accrue"));
    command.args(args).env_clear();
    if let Some(path) = database {
        command.env("ACCOUNTING_DATABASE_URL", format!("sqlite:{}", path.display()));
    }
    command.output().expect("the binary runs")
}

/// That the exit code is `code`, and that what was told has `words` in it.
fn says(output: &Output, code: i32, words: &str) {
    let told =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{told}");
    assert!(told.contains(words), "{words} is missing in {told}");
}

#[test]
fn exit_codes_tell_drift_from_what_was_not_read() {
    let dir = accrue_testkit::data_dir();
    let database = dir.path().join("accounting.db");
    let audit = |args: &[&str]| accrue(&[&["audit"], args].concat(), Some(&database));
    says(&accrue(&["audit"], None), 2, "which database?");
    says(&accrue(&["audit", "--accounting-database-url=mysql://x"], None), 2, "ACCOUNTING_DATABASE_URL");
    says(&audit(&["--user=u", "--anchor=x"]), 2, "cannot be used with");
    says(&audit(&[]), 3, "the audit cannot begin");
    std::fs::write(&database, "").expect("written");
    says(&audit(&[]), 3, "lacks migration 1");
    assert!(accrue(&["migrate"], Some(&database)).status.success());
    says(&audit(&[]), 0, "0 account(s) and 0 entries were looked at; 0 finding(s)");
    let directory = dir.path().to_str().expect("text");
    says(&accrue(&["audit", "--data-dir", directory], None), 0, "0 finding(s)");
    says(&audit(&["--user=nobody"]), 3, "no account of this user id");
    let heads = dir.path().join("heads");
    let anchor = format!("--anchor={}", heads.display());
    says(&audit(&[&anchor]), 0, "0 finding(s)");
    assert_eq!(std::fs::read_to_string(&heads).expect("written"), "");
    let lost = "{\"user_id\":\"u\",\"seq\":1,\"hash\":\"00\"}\n";
    std::fs::write(&heads, lost).expect("written");
    says(&audit(&[&anchor]), 1, "u: account: the anchor has it with 1 entries, and it is not there");
    assert_eq!(std::fs::read_to_string(&heads).expect("kept"), lost);
    std::fs::write(&heads, "no heads").expect("written");
    says(&audit(&[&anchor]), 3, "line 1 is no head of an account");
    assert!(!dir.path().join("heads.new").exists(), "nothing is left behind");
}
