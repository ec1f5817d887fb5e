//! Records how far the restoring of state has come, so that `stats` in other processes can show it.

use super::session::Session;
use crate::runtime::cancel::CancelToken;
use crate::runtime::commit::instance_record::write_instance_record;
use std::time::Duration;

/// Time between two records.
const RESTORE_RECORD_INTERVAL: Duration = Duration::from_secs(1);

/// Records the progress of a restore at intervals until it is `done`.
pub(super) fn record_restore(session: &Session, done: &CancelToken) {
    let mut appender = None;
    while !done.sleep(RESTORE_RECORD_INTERVAL) {
        let restoring = session.options.restoring.now();
        if restoring.is_empty() {
            continue;
        }
        let info = session.info();
        let write = || {
            let appender = match &mut appender {
                Some(appender) => appender,
                none => none.insert(session.engine.log.appender()?),
            };
            write_instance_record(appender.as_mut(), &info, session.engine.clock.now(), restoring)
        };
        if let Err(e) = write() {
            tracing::debug!("the progress of a restore could not be recorded: {e}");
        }
    }
}
