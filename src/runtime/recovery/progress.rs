//! Reads what a pipeline has reported of itself from its progress topic.

use crate::log::Log;
use crate::metrics::{Reports, progress_topic};
use crate::record::TopicPartition;
use crate::runtime::Fault;
use crate::runtime::cancel::CancelToken;
use crate::runtime::read::to_end::read_all;
use arrow_array::Array;

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
        let records = &fetched.records;
        for row in (0..records.len()).filter(|r| records.keys.is_valid(*r)) {
            let value = records.values.is_valid(row).then(|| records.values.value(row));
            found
                .apply(records.keys.value(row), value, records.timestamps[row])
                .map_err(|e| Fault::Fatal(format!("topic `{topic}` holds a record that is no progress: {e}")))?;
        }
        Ok(())
    })?;
    Ok(found)
}
