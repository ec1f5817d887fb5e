//! The open logs of this process: one [`Database`] per file, however many handles there are.
//!
//! Handles of one process share one write connection, so that their transactions queue in memory instead of
//! competing for locks of the file, and a commit wakes the readers of all of them.

use super::connection::OpenMode;
use super::database::Database;
use super::file_id::FileId;
use super::row_codec::MAX_RECORD_BYTES;
use super::schema;
use crate::log::LogResult;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};

static OPEN: Mutex<BTreeMap<FileId, Weak<Database>>> = Mutex::new(BTreeMap::new());

/// The open log of a folder, or else one that is opened now.
pub(super) fn open(dir: &Path) -> LogResult<Arc<Database>> {
    // Held while opening, so that two threads do not both open the file.
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    open.retain(|_, database| database.strong_count() > 0);
    let id = FileId::of(&dir.join(schema::DATABASE_FILE)).ok();
    let shared = id.and_then(|id| open.get(&id)?.upgrade());
    // The check fails for a log whose folder was moved; the file can be opened again under its new path.
    if let Some(database) = shared.filter(|database| database.check().is_ok()) {
        return Ok(database);
    }
    let database = Database::open(dir, MAX_RECORD_BYTES)?;
    // A log that could only be read may be writable the next time.
    if database.mode == OpenMode::ReadWrite {
        open.insert(database.id.clone(), Arc::downgrade(&database));
    }
    Ok(database)
}
