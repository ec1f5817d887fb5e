//! A temporary folder for the log of the demo.

use anyhow::Context as _;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Removed with its content when dropped.
#[derive(Debug)]
pub(super) struct TempFolder(PathBuf);

impl TempFolder {
    pub(super) fn new() -> anyhow::Result<Self> {
        let parent = std::env::temp_dir();
        for attempt in 0.. {
            let path = parent.join(format!("fastdata-demo-{}-{attempt}", std::process::id()));
            match std::fs::create_dir(&path) {
                Ok(()) => return Ok(Self(path)),
                // A folder of another process or user must not be used.
                Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
                Err(e) => return Err(e).with_context(|| format!("cannot create the folder `{}`", path.display())),
            }
        }
        anyhow::bail!("cannot create a folder in `{}`", parent.display())
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempFolder {
    fn drop(&mut self) {
        if let Err(e) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!("cannot remove `{}`: {e}", self.0.display());
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn each_folder_is_new_and_removed_when_dropped() {
        let (a, b) = (TempFolder::new().unwrap(), TempFolder::new().unwrap());
        let paths = [a.path().to_owned(), b.path().to_owned()];
        std::fs::write(paths[0].join("x"), "x").unwrap();
        assert!(paths[0] != paths[1] && paths.iter().all(|p| p.is_dir()));
        drop((a, b));
        assert!(!paths.iter().any(|p| p.exists()));
    }
}
