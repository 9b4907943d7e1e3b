//! Heads that are kept elsewhere: what finds a chain that was cut off, or made anew.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, BufWriter, Lines, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Where an account's chain ended when it was looked at. A file has one a line, as JSON,
/// sorted by `user_id`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// Whose account.
    pub user_id: String,
    /// Its last entry; 0 before the first.
    pub seq: i64,
    /// That entry's hash in hexadecimal digits; before the first, what stands before it.
    pub hash: String,
}

/// A file of heads that is checked, and replaced by the heads of now if all of it held.
pub struct Anchor {
    path: PathBuf,
    old: Option<Lines<BufReader<File>>>,
    next: Option<Head>,
    line: u64,
    new_path: PathBuf,
    new: BufWriter<File>,
}

fn bad(line: u64, what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("line {line} {what}"))
}

impl Anchor {
    /// Opens the file, if it is there, and begins the one that will replace it beside it.
    ///
    /// # Errors
    /// When it cannot be read, or the other not be written.
    pub fn open(path: &Path) -> io::Result<Self> {
        let old = match File::open(path) {
            Ok(file) => Some(BufReader::new(file).lines()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let mut new_path = path.as_os_str().to_owned();
        new_path.push(".new");
        let new = BufWriter::new(File::create(&new_path)?);
        let (path, new_path) = (path.to_owned(), PathBuf::from(new_path));
        let mut anchor = Self { path, old, next: None, line: 0, new_path, new };
        anchor.next = anchor.read().inspect_err(|_| drop(fs::remove_file(&anchor.new_path)))?;
        Ok(anchor)
    }

    fn read(&mut self) -> io::Result<Option<Head>> {
        let Some(line) = self.old.as_mut().and_then(Iterator::next) else { return Ok(None) };
        self.line += 1;
        let head: Head =
            serde_json::from_str(&line?).map_err(|_| bad(self.line, "is no head of an account"))?;
        if self.next.as_ref().is_some_and(|before| before.user_id >= head.user_id) {
            return Err(bad(self.line, "is out of order"));
        }
        Ok(Some(head))
    }

    /// The heads up to and with that of `user_id`; those of others have vanished.
    pub(super) fn until(&mut self, user_id: &str) -> io::Result<Vec<Head>> {
        let mut heads = Vec::new();
        while self.next.as_ref().is_some_and(|next| next.user_id.as_str() <= user_id) {
            let after = self.read()?;
            heads.extend(std::mem::replace(&mut self.next, after));
        }
        Ok(heads)
    }

    /// Adds to the heads of now.
    pub(super) fn write(&mut self, head: &Head) -> io::Result<()> {
        serde_json::to_writer(&mut self.new, head)?;
        self.new.write_all(b"\n")
    }

    /// Puts the heads of now in the place of the file if `is_clean`, all or nothing.
    ///
    /// # Errors
    /// When they cannot be written. The file is then what it was.
    pub fn finish(self, is_clean: bool) -> io::Result<()> {
        if !is_clean {
            return fs::remove_file(&self.new_path);
        }
        self.new.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        fs::rename(&self.new_path, &self.path)?;
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }
}
