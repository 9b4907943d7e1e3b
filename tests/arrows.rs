//! Who may know whom: the arrows between crates, and where each driver may be named.

use std::fs;
use std::path::{Path, PathBuf};

/// Every Rust file under `folder`, with its text.
fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of ours").map(|entry| entry.expect("an entry")) {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("a source file");
                files.push((path, text));
            }
        }
    }
    assert!(!files.is_empty(), "{folder} holds no source");
    files
}

/// Whether `name` is used as a crate in `text`. A text that begins with it, such as the
/// target of a log, is no use of it.
fn names(text: &str, name: &str) -> bool {
    text.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .map(|line| line.replace(&format!("\"{name}"), "\""))
        .any(|line| line.contains(&format!("{name}::")) || line.contains(&format!("use {name};")))
}

/// The workspace's crates that a manifest depends on outside its tests.
fn dependencies(manifest: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(manifest);
    let text = fs::read_to_string(path).expect("a manifest");
    let section = text.split("[dependencies]").nth(1).expect("dependencies");
    let section = section.split("\n[").next().expect("a section");
    section
        .lines()
        .filter_map(|line| line.strip_prefix("accrue-")?.split('.').next().map(str::to_owned))
        .collect()
}

#[test]
fn crates_know_only_those_below_them() {
    assert_eq!(dependencies("chassis/Cargo.toml"), Vec::<String>::new());
    assert_eq!(dependencies("events/Cargo.toml"), ["chassis"]);
    assert_eq!(dependencies("auth/Cargo.toml"), ["chassis", "events"]);
    assert_eq!(dependencies("accounting/Cargo.toml"), ["chassis", "events"]);
}

#[test]
fn drivers_stay_in_their_adapters() {
    let allowed = [
        ("lapin", vec!["events/src/broker/rabbitmq"]),
        ("mongodb", vec!["auth/src/store/mongo"]),
        ("opentelemetry", vec!["chassis/src/traces"]),
        ("opentelemetry_otlp", vec!["chassis/src/traces"]),
        ("opentelemetry_sdk", vec!["chassis/src/traces"]),
        ("sqlx", vec!["auth/src/store", "accounting/src/store", "events/src/broker/embedded"]),
    ];
    for (driver, places) in allowed {
        let mut used = 0;
        for folder in ["src", "chassis/src", "events/src", "auth/src", "accounting/src"] {
            for (path, _) in sources(folder).into_iter().filter(|(_, text)| names(text, driver)) {
                let path = path.strip_prefix(env!("CARGO_MANIFEST_DIR")).expect("below the root");
                let place = path.to_str().expect("text");
                assert!(places.iter().any(|allowed| place.starts_with(allowed)), "{place} names {driver}");
                used += 1;
            }
        }
        assert!(used > 0, "{driver} is used nowhere: this test looks for the wrong thing");
    }
}

#[test]
fn the_ledger_does_no_io() {
    for (path, text) in sources("accounting/src/ledger").into_iter().chain(sources("accounting/src/rates")) {
        for forbidden in ["tokio", "sqlx", "axum", "futures_util", "std::fs", "std::net", "accrue_chassis"] {
            assert!(!names(&text, forbidden), "{} names {forbidden}", path.display());
        }
        assert!(!text.contains("async "), "{} is async", path.display());
    }
}

#[test]
fn no_code_asks_which_shape_it_runs_in() {
    // A URL's scheme picks an adapter once; nothing behind it may know which.
    for folder in ["src", "chassis/src", "events/src", "auth/src", "accounting/src"] {
        for (path, text) in sources(folder) {
            for question in ["is_embedded", "is_sqlite", "is_all_in_one", "cfg(feature", "enum Mode"] {
                assert!(!text.contains(question), "{} has {question}", path.display());
            }
        }
    }
}
