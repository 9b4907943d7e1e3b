//! The binary by itself: help, exit codes, what it says of bad settings, the demo.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use crate::process::Process;

fn accrue(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_accrue")).args(args).env_clear().output().expect("the binary runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn help_names_every_command_and_setting() {
    let help = accrue(&["--help"]);
    assert!(help.status.success());
    let help = text(&help.stdout);
    for word in [
        "auth",
        "accounting",
        "demo",
        "audit",
        "dlq",
        "migrate",
        "health",
        "AUTH_LISTEN",
        "--data-dir",
        "BROKER_URL",
    ] {
        assert!(help.contains(word), "{word} is missing in\n{help}");
    }
}

#[test]
fn who_is_to_ask_auth_must_be_somebody() {
    let verify = |more: &[&str]| {
        let args =
            ["accounting", "--accounting-unknown-user=verify", "--broker-url=sqlite:/nowhere/broker.db"];
        let output = accrue(&[&args[..], more].concat());
        assert_eq!(output.status.code(), Some(1));
        text(&output.stderr)
    };
    let told = verify(&["--accounting-database-url=sqlite:/nowhere/accounting.db"]);
    assert!(told.contains("ACCOUNTING_UNKNOWN_USER=verify needs ACCOUNTING_CLIENT_ID"), "{told}");
    let told = verify(&["--accounting-client-secret=hunter2"]);
    assert!(told.contains("ACCOUNTING_CLIENT_ID and ACCOUNTING_CLIENT_SECRET go together"), "{told}");
    assert!(!told.contains("hunter2"), "{told}");
}

#[test]
fn every_wrong_setting_is_told_at_once() {
    let output = accrue(&[
        "accounting",
        "--accounting-listen=nowhere",
        "--accounting-database-url=mysql://root:hunter2@db/x",
        "--accounting-welcome-credits=-1",
        "--accounting-lanes=0",
        "--broker-url=kafka://u:hunter2@k",
        "--broker-prefix=a b",
    ]);
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    for name in [
        "ACCOUNTING_LISTEN",
        "ACCOUNTING_DATABASE_URL",
        "ACCOUNTING_WELCOME_CREDITS",
        "ACCOUNTING_LANES",
        "BROKER_URL",
        "BROKER_PREFIX",
    ] {
        assert!(told.contains(name), "{name} is missing in\n{told}");
    }
    assert!(!told.contains("hunter2"), "{told}");
    let output = accrue(&["auth"]);
    let told = text(&output.stderr);
    assert!(told.contains("AUTH_DATABASE_URL") && told.contains("BROKER_URL"), "{told}");
}

#[test]
fn a_command_that_does_not_exist_is_a_usage_error() {
    assert_eq!(accrue(&["sing"]).status.code(), Some(2));
    assert_eq!(accrue(&["demo", "--auth-url", "http://127.0.0.1:1"]).status.code(), Some(2));
}

#[test]
fn the_demo_needs_nothing_and_leaves_what_it_is_told_to() {
    let dir = accrue_testkit::data_dir();
    let path = dir.path().join("demo");
    for _ in 0..2 {
        let output = accrue(&["demo", "--data-dir", path.to_str().expect("text")]);
        let told = text(&output.stdout);
        assert!(output.status.success(), "{told}{}", text(&output.stderr));
        assert!(told.contains("placeholder") && told.contains("all 8 steps held"), "{told}");
        assert_eq!(text(&output.stderr), "");
    }
    for file in ["auth.db", "accounting.db", "broker.db"] {
        let file = std::fs::metadata(path.join(file)).unwrap_or_else(|_| panic!("{file} is missing"));
        assert_eq!(file.permissions().mode() & 0o077, 0, "others can read {file:?}");
    }
    assert!(accrue(&["demo"]).status.success());
}

#[test]
fn the_demo_fails_where_nothing_answers() {
    let url = "http://127.0.0.1:1";
    let urls = ["demo", "--auth-url", url, "--accounting-url", url];
    let no_client = accrue(&urls);
    assert_eq!(no_client.status.code(), Some(2));
    assert!(text(&no_client.stderr).contains("--client-id"), "{}", text(&no_client.stderr));
    let output = accrue(&[&urls[..], &["--client-id", "c", "--client-secret", "s"]].concat());
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("ERROR FAIL step 1 did not hold"), "{}", text(&output.stdout));
}

#[tokio::test]
async fn the_lines_of_the_greeting_work_when_pasted() {
    let dir = accrue_testkit::data_dir();
    let process = start(dir.path());
    process.url_of("accounting").await;
    let lines = accrue_testkit::eventually("it greets", async || {
        let logs = process.logs();
        let lines = logs
            .lines()
            .filter(|line| ["eval ", "TOKEN=", "curl "].iter().any(|beginning| line.starts_with(beginning)));
        let lines: Vec<String> = lines.map(str::to_owned).collect();
        (lines.len() == 5).then_some(lines)
    })
    .await;
    if Command::new("curl").arg("--version").output().is_err() {
        eprintln!("SKIP curl: it is not installed");
        return;
    }
    let (preparation, requests) = lines.split_at(2);
    for (line, expected) in requests.iter().zip(["user_id", "placeholder", "active"]) {
        let script = format!("{}\n{line}", preparation.join("\n"));
        accrue_testkit::eventually(&format!("the answer to {line} has \"{expected}\""), async || {
            let output = Command::new("sh").args(["-c", &script]).output().expect("a shell runs");
            output.status.success() && text(&output.stdout).contains(expected)
        })
        .await;
    }
}

#[tokio::test]
async fn one_directory_serves_one_process() {
    let dir = accrue_testkit::data_dir();
    let mut first = start(dir.path());
    first.url_of("accounting").await;
    let mut second = start(dir.path());
    assert_eq!(second.exit().await.code(), Some(1));
    assert!(second.logs().contains("in use by another accrue"), "{}", second.logs());
    first.kill();
    let third = start(dir.path());
    third.url_of("accounting").await;
}

#[tokio::test]
async fn health_tells_by_its_exit_code() {
    let dir = accrue_testkit::data_dir();
    let mut process = start(dir.path());
    let url = process.url_of("auth").await.join("/healthz/ready").expect("a path");
    accrue_testkit::eventually("auth is ready", async || {
        accrue(&["health", "--url", url.as_str()]).status.success()
    })
    .await;
    let asked = |path: &str| {
        let url = url.join(path).expect("a path");
        accrue(&["health", "--url", url.as_str()]).status.code()
    };
    assert_eq!(asked("/"), Some(0), "without a path it is readiness that is asked for");
    assert_eq!(asked("/nothing"), Some(1));
    process.kill();
    assert_eq!(asked("/healthz/ready"), Some(1));
}

#[tokio::test]
async fn the_first_administrator_is_shown_once_and_can_sign_in() {
    let dir = accrue_testkit::data_dir();
    let mut first = start(dir.path());
    let auth = first.url_of("auth").await;
    let password = accrue_testkit::eventually("the password is shown", async || {
        let logs = first.logs();
        logs.lines().find_map(|line| line.strip_prefix("  password  ")).map(str::to_owned)
    })
    .await;
    let body = serde_json::json!({"username": "admin", "password": password});
    drop(rustls::crypto::ring::default_provider().install_default());
    let request = reqwest::Client::new().post(auth.join("/v1/login").expect("a path")).json(&body);
    let reply = crate::system::send(request).await.expect("an answer");
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert!(reply.body["scope"].as_str().expect("text").contains("users:admin"), "{}", reply.body);
    first.signal("TERM");
    first.exit().await;

    let mut second = start(dir.path());
    accrue_testkit::eventually("it greets", async || second.logs().contains("Ctrl-C stops it")).await;
    second.signal("TERM");
    second.exit().await;
    assert!(!second.logs().contains("  password  "), "{}", second.logs());
}

fn start(dir: &Path) -> Process {
    let set = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let environment = [
        set("ACCRUE_DATA_DIR", dir.to_str().expect("text")),
        set("AUTH_LISTEN", "127.0.0.1:0"),
        set("ACCOUNTING_LISTEN", "127.0.0.1:0"),
        set("PATH", "/usr/bin:/bin"),
    ];
    Process::start(&[], &environment)
}
