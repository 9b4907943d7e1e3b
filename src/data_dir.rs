//! The directory of the all-in-one's files: one process at a time.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use accrue_auth::mail::Delivery;
use anyhow::Context as _;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

/// What stays as it is in the path of a URL.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A directory that this process has for itself until the value is dropped, however
/// the process ends.
pub(crate) struct DataDir {
    path: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Makes the directory if need be, and locks it.
    pub(crate) fn lock(path: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(path)
            .with_context(|| format!("the data directory {} cannot be made", path.display()))?;
        let path = path.canonicalize().with_context(|| format!("{} cannot be found", path.display()))?;
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path.join("lock"))
            .with_context(|| format!("the data directory {} cannot be written", path.display()))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path, _lock: lock }),
            Err(TryLockError::WouldBlock) => anyhow::bail!(
                "the data directory {} is in use by another accrue; stop it, or name another with --data-dir",
                path.display()
            ),
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("the data directory {} cannot be locked", path.display()))
            }
        }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Where mail goes that no server takes.
    pub(crate) fn mail(&self) -> Delivery {
        Delivery::Directory(self.path.join("mail"))
    }

    /// The URL of a SQLite file in it.
    pub(crate) fn sqlite_url(&self, name: &str) -> String {
        sqlite_url(&self.path, name)
    }
}

/// The URL of a SQLite file in `directory`. A `%` or a `?` in the path stays what it is.
pub(crate) fn sqlite_url(directory: &Path, name: &str) -> String {
    let path = directory.join(name);
    format!("sqlite:{}", percent_encode(path.as_os_str().as_bytes(), PATH))
}
