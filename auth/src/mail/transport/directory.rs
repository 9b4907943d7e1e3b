//! Mail into a directory, one file a message: for one machine without a mail server.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use accrue_chassis::private_file;
use async_trait::async_trait;
use lettre::Message;
use uuid::Uuid;

use super::{SendError, Transport};

/// Writes each message to a file of its own, which its owner alone may read.
#[derive(Debug, Clone)]
pub struct DirectoryTransport(PathBuf);

impl DirectoryTransport {
    /// Into this directory, which is made when the first mail comes.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self(path)
    }
}

#[async_trait]
impl Transport for DirectoryTransport {
    async fn send(&self, id: Uuid, message: Message) -> Result<(), SendError> {
        let directory = self.0.clone();
        let written = tokio::task::spawn_blocking(move || write(&directory, id, &message.formatted()));
        match written.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(SendError::Unavailable("the directory for mail cannot be written")),
        }
    }
}

/// Under another name first, so that no half of a message is ever seen as one.
fn write(directory: &Path, id: Uuid, message: &[u8]) -> std::io::Result<()> {
    std::fs::create_dir_all(directory)?;
    let unfinished = directory.join(format!(".{id}.unfinished"));
    private_file::create(&unfinished)?;
    let mut file = std::fs::OpenOptions::new().write(true).truncate(true).open(&unfinished)?;
    file.write_all(message)?;
    file.sync_all()?;
    std::fs::rename(unfinished, directory.join(format!("{id}.eml")))
}
