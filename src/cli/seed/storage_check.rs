//! Detects that the log is gone while `seed` waits for the next record to be due, or for stdin.
//!
//! stdin is opened before the log, so at first there is no log to check.

use crate::log::{Log, LogResult};
use std::sync::{Arc, OnceLock};

/// The log that is written to, once it is open.
#[derive(Clone, Default)]
pub(super) struct StorageCheck(Arc<OnceLock<Arc<dyn Log>>>);

impl StorageCheck {
    /// Checks this log from now on.
    pub(super) fn watch(&self, log: Arc<dyn Log>) {
        self.0.get_or_init(|| log);
    }

    pub(super) fn check(&self) -> LogResult<()> {
        self.0.get().map_or(Ok(()), |log| log.check_storage())
    }
}
