//! A pipeline starts over: its positions, its own topics, and on request the records of its outputs go in one
//! transaction.

use super::database::Database;
use super::{lease, topics, trim};
use crate::log::{LogError, LogResult, StartOver};
use crate::time::{Clock as _, SystemClock};

/// Deletes and empties. The space of the records is freed afterwards.
pub(super) fn start_over(database: &Database, over: &StartOver<'_>) -> LogResult<()> {
    let file = &database.file;
    lease::delete_offsets_and(database, over.group, |conn| {
        for topic in over.deleted {
            match topics::delete(conn, file, topic) {
                Ok(()) | Err(LogError::UnknownTopic { .. }) => {}
                Err(e) => return Err(e),
            }
        }
        for topic in over.emptied {
            // Readers of the old records must learn that these are gone, so the topic is another one of the same name.
            let Some(info) = topics::list(conn, file, Some(topic))?.pop() else { continue };
            topics::delete(conn, file, topic)?;
            topics::create(conn, file, topic, &info.config, SystemClock.now())?;
        }
        Ok(())
    })?;
    trim::delete_garbage(database)
}
