//! Which file a path leads to: the same path may lead to another file later.

use std::io;
use std::path::Path;

/// Identifies a file for as long as it is open.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FileId {
    #[cfg(unix)]
    device: u64,
    #[cfg(unix)]
    inode: u64,
    #[cfg(not(unix))]
    path: std::path::PathBuf,
    #[cfg(not(unix))]
    created: Option<std::time::SystemTime>,
}

impl FileId {
    /// The file that a path leads to. The file is not opened: closing it would release all locks that this
    /// process holds on it.
    #[cfg(unix)]
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        use std::os::unix::fs::MetadataExt as _;
        let metadata = std::fs::metadata(path)?;
        Ok(Self { device: metadata.dev(), inode: metadata.ino() })
    }

    /// The file that a path leads to.
    #[cfg(not(unix))]
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let created = std::fs::metadata(path)?.created().ok();
        Ok(Self { path: std::fs::canonicalize(path)?, created })
    }
}
