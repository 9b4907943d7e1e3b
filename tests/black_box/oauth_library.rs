//! An OAuth library of somebody else's as a client of auth.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::process::Process;

const EMAIL: &str = "ada@example.com";
const PASSWORD: &str = "correct horse ada";

#[tokio::test]
async fn an_oauth_library_finds_its_own_way() {
    let Some(python) = accrue_testkit::python() else { return };
    let files = accrue_testkit::data_dir();
    let environment = [
        ("ACCRUE_DATA_DIR", files.path().to_str().expect("text")),
        ("AUTH_LISTEN", "127.0.0.1:0"),
        ("ACCOUNTING_LISTEN", "127.0.0.1:0"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let process = Process::start(&[], &environment);
    let auth = process.url_of("auth").await;
    accrue_testkit::eventually("auth is ready", async || {
        let url = auth.join("/healthz/ready").expect("a path");
        accrue(&["health", "--url", url.as_str()], &environment).status.success()
    })
    .await;

    let shown =
        admin(&["create-client", "--name", "shop", "--scope", "users:admin accounts:read"], &environment);
    let value = |name: &str| shown.lines().find_map(|line| line.strip_prefix(name)).expect("it is shown");
    let password_file = files.path().join("password");
    std::fs::write(&password_file, PASSWORD).expect("written");
    let password_file = password_file.to_str().expect("text");
    let user = ["create-user", "--email", EMAIL, "--password-file", password_file];
    admin(&user, &environment);

    let output = Command::new(python)
        .arg(conformance("oauth_client.py"))
        .env_clear()
        .envs([
            ("ACCRUE_CONFORMANCE_AUTH", auth.as_str()),
            ("ACCRUE_CONFORMANCE_CLIENT_ID", value("client_id: ")),
            ("ACCRUE_CONFORMANCE_CLIENT_SECRET", value("client_secret: ")),
            ("ACCRUE_CONFORMANCE_EMAIL", EMAIL),
            ("ACCRUE_CONFORMANCE_PASSWORD", PASSWORD),
        ])
        .output()
        .expect("python runs");
    let told = text(&output.stdout);
    assert!(output.status.success(), "{told}{}", text(&output.stderr));
    let held = told.lines().filter(|line| line.starts_with("held: ")).count();
    assert_eq!(held, 29, "a step was left out:\n{told}");
}

/// What an operator's command prints.
fn admin(args: &[&str], environment: &[(String, String)]) -> String {
    let output = accrue(&[&["admin"], args].concat(), environment);
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

fn accrue(args: &[&str], environment: &[(String, String)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_accrue"));
    command.args(args).env_clear().envs(environment.iter().cloned()).output().expect("the binary runs")
}

fn conformance(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance").join(file)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
