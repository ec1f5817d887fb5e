//! A folder of our own among the temporary ones, gone when the demo ends.

use anyhow::Context as _;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Removed with all that is in it when dropped.
#[derive(Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new() -> anyhow::Result<Self> {
        let parent = std::env::temp_dir();
        for attempt in 0.. {
            let path = parent.join(format!("fastdata-demo-{}-{attempt}", std::process::id()));
            match std::fs::create_dir(&path) {
                Ok(()) => return Ok(Self(path)),
                // Left by another process that had our number, or put there by somebody else: never use it.
                Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
                Err(e) => return Err(e).with_context(|| format!("cannot make the folder `{}`", path.display())),
            }
        }
        anyhow::bail!("no name is free in `{}`", parent.display())
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(e) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!("`{}` could not be removed: {e}", self.0.display());
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn two_folders_are_two_and_both_go() {
        let (a, b) = (Folder::new().unwrap(), Folder::new().unwrap());
        let paths = [a.path().to_owned(), b.path().to_owned()];
        std::fs::write(paths[0].join("x"), "x").unwrap();
        assert!(paths[0] != paths[1] && paths.iter().all(|p| p.is_dir()));
        drop((a, b));
        assert!(!paths.iter().any(|p| p.exists()));
    }
}
