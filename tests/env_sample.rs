//! .env.sample lists every setting, with its true default, and compose.yaml passes them on.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What compose.yaml itself reads, and what the loggers do: no flags of the binary.
const NO_FLAGS: [&str; 7] = [
    "ACCOUNTING_PORT",
    "AUTH_PORT",
    "MONGODB_PASSWORD",
    "POSTGRES_PASSWORD",
    "RABBITMQ_MANAGEMENT_PORT",
    "RABBITMQ_PASSWORD",
    "RUST_LOG",
];

fn in_repository(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn read(name: &str) -> String {
    fs::read_to_string(in_repository(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn accrue(args: &[&str]) -> (String, String) {
    let output =
        Command::new(env!("CARGO_BIN_EXE_accrue")).args(args).env_clear().output().expect("the binary runs");
    (
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

/// Each setting that help names, of `command` and of those below it, with what its help says
/// from there to the next one.
fn settings_of(command: &[&str], settings: &mut BTreeMap<String, String>) {
    let (help, _) = accrue(&[command, &["--help"]].concat());
    let (_, flags) = help.split_once("\n\nOptions:\n").unwrap_or((&help, ""));
    for (index, _) in flags.match_indices("[env: ") {
        let rest = &flags[index + "[env: ".len()..];
        let name = rest.split(['=', ']']).next().expect("a name");
        let said = rest.split("[env: ").next().expect("something");
        settings.insert(name.to_owned(), said.to_owned());
    }
    let commands = help.split("\nCommands:\n").nth(1).unwrap_or("").lines();
    for line in commands.take_while(|line| !line.is_empty()) {
        let name = line.split_whitespace().next().expect("a name");
        if name != "help" {
            settings_of(&[command, &[name]].concat(), settings);
        }
    }
}

fn settings() -> BTreeMap<String, String> {
    let mut settings = BTreeMap::new();
    settings_of(&[], &mut settings);
    settings
}

/// What the sample holds: each name and its value, commented out or not.
fn sample() -> BTreeMap<String, String> {
    let mut values = BTreeMap::new();
    for line in read(".env.sample").lines() {
        let line = line.strip_prefix('#').unwrap_or(line);
        let Some((name, value)) = line.split_once('=') else { continue };
        if !name.is_empty() && name.chars().all(|c| c.is_ascii_uppercase() || c == '_') {
            let twice = values.insert(name.to_owned(), value.to_owned());
            assert_eq!(twice, None, "{name} is there twice");
        }
    }
    values
}

#[test]
fn every_setting_is_in_the_sample_with_its_default() {
    let (settings, sample) = (settings(), sample());
    let named: BTreeSet<_> = settings.keys().map(String::as_str).chain(NO_FLAGS).collect();
    let listed: BTreeSet<_> = sample.keys().map(String::as_str).collect();
    assert!(named.len() > 40, "{named:?}");
    assert_eq!(named.difference(&listed).collect::<Vec<_>>(), [&""; 0], "missing in .env.sample");
    assert_eq!(listed.difference(&named).collect::<Vec<_>>(), [&""; 0], ".env.sample has what nothing reads");
    for (name, said) in &settings {
        if let Some((_, rest)) = said.split_once("[default: ") {
            let default = rest.split(']').next().expect("a default");
            assert_eq!(sample[name], default, "the default of {name}");
        }
    }
    let files = settings.keys().filter_map(|name| name.strip_suffix("_FILE"));
    let files: BTreeSet<_> = files.filter(|name| settings.contains_key(*name)).collect();
    let text = read(".env.sample");
    let (_, said) = text.split_once("# Seven hold secrets").expect("the list of those that can be files");
    let (said, _) = said.split_once("compose.yaml").expect("its end");
    assert_eq!(files.len(), 7);
    assert!(files.iter().all(|name| said.contains(name)), "{files:?} in {said}");
}

#[test]
fn a_shell_reads_the_whole_sample() {
    let lines = read(".env.sample");
    let names = sample();
    let set = lines.lines().map(|line| match line.strip_prefix('#').and_then(|line| line.split_once('=')) {
        Some((name, _)) if names.contains_key(name) => &line[1..],
        _ => line,
    });
    let script = format!("set -eu\n{}\nprintf %s \"$AUTH_MAIL_FROM\"", set.collect::<Vec<_>>().join("\n"));
    let output = Command::new("sh").args(["-c", &script]).output().expect("a shell runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.stdout, b"Accrue <no-reply@example.com>");
}

#[test]
fn compose_ignores_no_setting_silently() {
    let (compose, text, names) = (read("compose.yaml"), read(".env.sample"), sample());
    let mut comment = String::new();
    let mut is_used = false;
    for line in text.lines() {
        let name = line.trim_start_matches('#').split('=').next().expect("something");
        if !names.contains_key(name) {
            // A comment belongs to the settings right below it.
            comment = if is_used || line.is_empty() { line.to_owned() } else { comment + line };
            is_used = false;
            continue;
        }
        is_used = true;
        let is_passed = compose.contains(&format!(" {name}:")) || compose.contains(&format!("${{{name}"));
        let is_said = comment.contains("[compose") || name.ends_with("_FILE");
        assert!(is_passed || is_said, "compose.yaml ignores {name}");
    }
}

#[test]
fn the_ranges_in_help_are_those_of_the_code() {
    let (help, _) = accrue(&["auth", "--help"]);
    let mut checked = 0;
    for said in help.split("\n      --").skip(1) {
        let (flag, said) = said.split_once(' ').unwrap_or((said, ""));
        // Those of limits are two numbers in one.
        let range = said.split('(').skip(1).find_map(|rest| rest.split(')').next()?.split_once(" to "));
        let Some((least, most)) = range.filter(|_| !flag.starts_with("auth-limit")) else { continue };
        let beyond = most.parse::<u64>().expect("a number") + 1;
        let (_, told) = accrue(&["auth", &format!("--{flag}={beyond}")]);
        let name = flag.to_uppercase().replace('-', "_");
        let expected = format!("{name}: {beyond} is not between {least} and {most}");
        assert!(told.contains(&expected), "{expected} is missing in\n{told}");
        checked += 1;
    }
    assert_eq!(checked, 9);
}
