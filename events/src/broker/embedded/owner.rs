//! Who holds messages: a name, and a locked file that says whether its process lives.
//!
//! The lock is the operating system's: it ends with the process, however that dies,
//! so the messages of a dead subscription are free at once, and those of a living
//! one stay its own however long it is busy. A lease would have to be renewed in
//! time, and guess.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use uuid::Uuid;

use super::super::BrokerError;
use super::store::failed;

/// How long another process may take to start.
const START_LIMIT: Duration = Duration::from_secs(10);
const START_STEP: Duration = Duration::from_millis(20);

/// The path of something that belongs to the broker's file, as SQLite names its own.
pub(super) fn beside(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Held while the file is migrated or an owner is named: one process at a time.
pub(super) struct StartLock(#[expect(dead_code, reason = "the lock lasts as long as the file is open")] File);

impl StartLock {
    pub(super) async fn take(path: PathBuf) -> Result<Self, BrokerError> {
        let file = open(&path).map_err(failed)?;
        let waiting = async {
            while let Err(error) = file.try_lock() {
                match error {
                    TryLockError::WouldBlock => tokio::time::sleep(START_STEP).await,
                    TryLockError::Error(error) => return Err(failed(error)),
                }
            }
            Ok(())
        };
        match tokio::time::timeout(START_LIMIT, waiting).await {
            Ok(taken) => taken.map(|()| Self(file)),
            Err(_) => Err(BrokerError::Timeout { what: "the start of another process", limit: START_LIMIT }),
        }
    }
}

/// A subscription's name. No other has had it or will.
pub(super) struct Owner {
    token: String,
    path: PathBuf,
    _lock: File,
}

impl Owner {
    /// Takes a name, and clears away the files of owners that died.
    pub(super) async fn new(broker: &Path) -> Result<Self, BrokerError> {
        // Between creating its file and locking it an owner would look dead.
        let _start = StartLock::take(beside(broker, "-lock")).await?;
        let directory = directory(broker);
        std::fs::create_dir_all(&directory).map_err(failed)?;
        clear_away_dead(&directory).map_err(failed)?;
        let token = Uuid::new_v4().simple().to_string();
        let path = directory.join(&token);
        let lock = open(&path).map_err(failed)?;
        lock.try_lock().map_err(failed)?;
        Ok(Self { token, path, _lock: lock })
    }

    pub(super) fn token(&self) -> &str {
        &self.token
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        // An owner without a file is dead as well; best effort, the next one clears up.
        drop(std::fs::remove_file(&self.path));
    }
}

/// Whether the owner of that name has ended, by its own will or not.
pub(super) fn is_dead(broker: &Path, token: &str) -> std::io::Result<bool> {
    let file = match File::open(directory(broker).join(token)) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(error),
    };
    is_free(&file)
}

fn is_free(file: &File) -> std::io::Result<bool> {
    // Shared, so that two who ask at once do not take each other for the owner.
    match file.try_lock_shared() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn clear_away_dead(directory: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        // One that went in between needs no clearing.
        let Ok(file) = File::open(&path) else { continue };
        if is_free(&file)? {
            drop(std::fs::remove_file(&path));
        }
    }
    Ok(())
}

fn directory(broker: &Path) -> PathBuf {
    beside(broker, "-subscriptions")
}

fn open(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_owner_lives_as_long_as_its_lock() {
        let root = tempfile::tempdir().expect("a directory");
        let broker = root.path().join("broker.db");
        let owner = Owner::new(&broker).await.expect("a name");
        let token = owner.token().to_owned();
        assert!(!is_dead(&broker, &token).expect("readable"));
        let other = Owner::new(&broker).await.expect("another name");
        assert!(!is_dead(&broker, &token).expect("the first was not cleared away"));
        drop(owner);
        assert!(is_dead(&broker, &token).expect("readable"));
        assert!(!is_dead(&broker, other.token()).expect("readable"));
    }

    #[tokio::test]
    async fn what_a_killed_process_left_is_cleared_away() {
        let root = tempfile::tempdir().expect("a directory");
        let broker = root.path().join("broker.db");
        std::fs::create_dir(directory(&broker)).expect("a directory");
        let left = directory(&broker).join("0123");
        std::fs::write(&left, "").expect("a file without a lock");
        assert!(is_dead(&broker, "0123").expect("readable"));
        let owner = Owner::new(&broker).await.expect("a name");
        assert!(!left.exists());
        assert!(directory(&broker).join(owner.token()).exists());
    }
}
