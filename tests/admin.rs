//! `accrue admin`: it makes no keys of its own, locks nobody out, and asks for what it uses.

use std::path::Path;
use std::process::{Command, Output};

/// What `openssl rand -base64 32` makes.
const RIGHT: &str = "q6v3o8V0mJq4mK9tq3Cw5r1Z0b8cS7nU2yE6xL4hTgA=";
const WRONG: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

fn accrue(dir: &Path, keys: Option<&str>, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_accrue"));
    command.args(args).env_clear();
    command.env("AUTH_DATABASE_URL", format!("sqlite:{}", dir.join("auth.db").display()));
    if let Some(keys) = keys {
        command.env("AUTH_KEY_ENCRYPTION_KEYS", keys);
    }
    command.output().expect("the binary runs")
}

/// What was told, after insisting on success or failure.
fn told(output: &Output, is_success: bool) -> String {
    let told =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.success(), is_success, "{told}");
    told
}

#[test]
fn a_directory_without_keys_stays_without() {
    let dir = accrue_testkit::data_dir();
    told(&accrue(dir.path(), None, &["migrate"]), true);
    let wrong = dir.path().join("wrong");
    for command in ["rotate-keys", "rewrap-keys"] {
        let output =
            accrue(dir.path(), None, &["admin", command, "--data-dir", wrong.to_str().expect("text")]);
        let told = told(&output, false);
        assert!(told.contains("wrong/keys cannot be read"), "{told}");
        assert!(!wrong.exists());
    }
}

#[test]
fn keys_that_open_nothing_seal_nothing_unless_told_of_the_loss() {
    let dir = accrue_testkit::data_dir();
    told(&accrue(dir.path(), None, &["migrate"]), true);
    let admin = |keys, args: &[&str]| accrue(dir.path(), Some(keys), &[&["admin"], args].concat());
    let first = told(&admin(RIGHT, &["rotate-keys"]), true);
    assert!(first.contains("added"), "{first}");
    for command in ["rotate-keys", "rewrap-keys"] {
        let told = told(&admin(WRONG, &[command]), false);
        assert!(told.contains("nothing was done") && told.contains("none of the signing keys"), "{told}");
    }
    let lost = told(&admin(WRONG, &["rotate-keys", "--old-keys-are-lost"]), true);
    assert!(lost.contains("added"), "{lost}");
    let again = told(&admin(WRONG, &["rotate-keys"]), true);
    assert!(again.contains("there already"), "{again}");
    let both = format!("{RIGHT},{WRONG}");
    let rewrapped = told(&admin(&both, &["rewrap-keys"]), true);
    assert!(rewrapped.contains("1 signing key(s) and 0 mail(s)"), "{rewrapped}");
}

#[test]
fn help_lists_what_a_command_uses_and_what_it_takes() {
    let dir = accrue_testkit::data_dir();
    let help = |command| told(&accrue(dir.path(), None, &["admin", command, "--help"]), true);
    for command in [
        "create-user",
        "create-client",
        "rotate-client-secret",
        "delete-client",
        "list-clients",
        "rotate-keys",
    ] {
        let help = help(command);
        assert!(help.contains("AUTH_DATABASE_URL") && help.contains("--data-dir"), "{help}");
        for unused in ["AUTH_LISTEN", "AUTH_SMTP_URL", "AUTH_LIMIT", "AUTH_REFRESH_TOKEN_DAYS", "AUTH_ISSUER"]
        {
            assert!(!help.contains(unused), "{unused} in\n{help}");
        }
        let is_about_keys = command == "rotate-keys";
        assert_eq!(help.contains("AUTH_KEY_ENCRYPTION_KEYS"), is_about_keys, "{help}");
    }
    assert!(help("create-user").contains("[possible values: admin, supervisor]"));
    let scopes = help("create-client");
    assert!(scopes.contains("accounts:read") && scopes.contains("users:admin"), "{scopes}");
    let unknown =
        accrue(dir.path(), None, &["admin", "create-client", "--name=x", "--scope=credits:write all"]);
    assert!(told(&unknown, false).contains("'all'"));
}
