//! What the file is: its owner's only, and overwritten where something is erased.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use accrue_chassis::clock::SystemClock;

use super::SqliteStore;

#[tokio::test]
async fn the_file_is_its_owners_and_what_is_erased_is_overwritten() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("auth.db");
    let url = format!("sqlite:{}", path.display());
    let store = SqliteStore::open(&url, Arc::new(SystemClock), true).await.expect("a store");
    for file in std::fs::read_dir(directory.path()).expect("files").flatten() {
        let mode = file.metadata().expect("what it is").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{:?}", file.file_name());
    }
    for pool in [&store.writer, &store.readers] {
        let is_on: bool =
            sqlx::query_scalar("PRAGMA secure_delete").fetch_one(pool).await.expect("an answer");
        assert!(is_on);
    }
}
