//! The database's file, readable by its owner only: it holds password hashes.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use super::OpenError;

/// Makes an empty file where there is none. SQLite gives the files that it puts
/// beside it the same permissions.
pub(super) fn create_private(path: &Path) -> Result<(), OpenError> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(OpenError::Settings(format!("the file cannot be created: {error}"))),
    }
}
