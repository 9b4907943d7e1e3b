//! Key-encryption keys where no setting names any: a file in the data directory, made at
//! the first start.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use accrue_auth::sealing::KeyEncryptionKeys;
use anyhow::Context as _;
use secrecy::ExposeSecret as _;

/// The name of the file: a list as `AUTH_KEY_ENCRYPTION_KEYS` takes it.
const NAME: &str = "keys";

/// Where they are in `directory`.
pub(crate) fn path_in(directory: &Path) -> PathBuf {
    directory.join(NAME)
}

/// The keys in `directory`, made where there are none: for who runs auth there.
pub(crate) fn read_or_create(directory: &Path) -> anyhow::Result<KeyEncryptionKeys> {
    let path = path_in(directory);
    fs::create_dir_all(directory).with_context(|| format!("{} cannot be made", directory.display()))?;
    if !path.try_exists().with_context(|| format!("{} cannot be read", path.display()))? {
        create(directory, &path).with_context(|| format!("{} cannot be made", path.display()))?;
    }
    read(directory)
}

/// The keys in `directory`, which must be there: a key that is made for a command alone is
/// known to no process of auth.
pub(crate) fn read(directory: &Path) -> anyhow::Result<KeyEncryptionKeys> {
    let path = path_in(directory);
    let list = fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
    KeyEncryptionKeys::parse(list.trim_end()).with_context(|| path.display().to_string())
}

/// Makes the file whole or not at all: what is sealed under a key that was lost half
/// written never opens again. Of two processes the first one's file stays.
fn create(directory: &Path, path: &Path) -> std::io::Result<()> {
    let draft = directory.join(format!("{NAME}.{}", uuid::Uuid::new_v4()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    writeln!(file, "{}", KeyEncryptionKeys::generate().expose_secret())?;
    file.sync_all()?;
    let linked = fs::hard_link(&draft, path);
    fs::remove_file(&draft)?;
    match linked {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn reading_makes_nothing() {
        let directory = tempfile::tempdir().expect("a directory");
        let told = read(directory.path()).expect_err("no keys");
        assert!(format!("{told:#}").contains("keys cannot be read"), "{told:#}");
        assert_eq!(fs::read_dir(directory.path()).expect("a directory").count(), 0);
        assert!(read(&directory.path().join("nowhere")).is_err());
    }

    #[test]
    fn a_key_is_made_once_and_for_its_owner_only() {
        let directory = tempfile::tempdir().expect("a directory");
        let first = read_or_create(directory.path()).expect("keys");
        let again = read_or_create(directory.path()).expect("keys");
        let sealed = first.seal("test", b"hello").expect("sealed");
        assert_eq!(again.open("test", &sealed).expect("opened").expose_secret(), b"hello");
        let files: Vec<_> = fs::read_dir(directory.path()).expect("a directory").collect();
        assert_eq!(files.len(), 1, "{files:?}");
        let mode = fs::metadata(directory.path().join(NAME)).expect("the file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::write(directory.path().join(NAME), "nonsense").expect("written");
        assert!(read_or_create(directory.path()).is_err());
    }
}
