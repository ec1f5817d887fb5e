//! Reads what a pipeline has reported of itself from its progress topic.

use crate::log::Log;
use crate::metrics::{Reports, progress_topic};
use crate::record::TopicPartition;
use crate::runtime::Fault;
use crate::runtime::cancel::CancelToken;
use crate::runtime::read::to_end::read_all;

/// Everything that a pipeline has reported, unless reading it is cancelled.
///
/// # Errors
/// Faults of the backplane, or a topic that something else writes; [`Fault::Stopped`] where it was cancelled.
pub fn reports(log: &dyn Log, pipeline: &str, cancel: &CancelToken) -> Result<Reports, Fault> {
    let mut found = Reports::default();
    let topic = progress_topic(pipeline);
    if log.topics(Some(&topic))?.is_empty() {
        return Ok(found);
    }
    read_all(log, &TopicPartition::new(topic.as_str(), 0), cancel, |fetched| {
        found.apply_all(fetched).map_err(|(_, e)| not_progress(&topic, &e))
    })?;
    Ok(found)
}

/// Something else writes to a progress topic.
pub(super) fn not_progress(topic: &str, e: &serde_json::Error) -> Fault {
    Fault::Fatal(format!("topic `{topic}` holds a record that is no progress: {e}"))
}
