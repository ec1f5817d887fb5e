//! Files that survive a loss of power under the name that they were given.

use std::fs::File;
use std::io;
use std::path::Path;

/// Renames a file whose content is already on the disk, and flushes the folder: without that a loss of power may undo
/// the renaming, although what was written later is there. Both names are in the same folder.
pub(crate) fn rename_durably(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::rename(from, to)?;
    // Only Unix opens a folder like a file; elsewhere the file system does it by itself.
    match to.parent() {
        Some(folder) if cfg!(unix) => {
            File::open(if folder.as_os_str().is_empty() { Path::new(".") } else { folder })?.sync_all()
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_found_under_its_new_name_only() {
        let dir = tempfile::tempdir().unwrap();
        let (draft, name) = (dir.path().join("draft"), dir.path().join("name"));
        std::fs::write(&draft, "text").unwrap();
        rename_durably(&draft, &name).unwrap();
        assert_eq!(std::fs::read_to_string(&name).unwrap(), "text");
        assert!(!draft.exists());
        assert!(rename_durably(&draft, &name).is_err());
    }
}
