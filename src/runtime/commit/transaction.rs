//! What tasks handed over since the last commit, as one transaction: results, and state with its counters.

use super::instance_record::to_progress;
use crate::log::{Append, RecordLimits, Transaction};
use crate::metrics::{Latency, PIPELINE_KEY, PipelineInfo};
use crate::plan::Physical;
use crate::record::{Records, RecordsBuilder, TopicPartition};
use crate::runtime::fault::Fault;
use crate::runtime::task::{TaskCommit, TaskId};
use crate::state::StateChange;
use std::collections::BTreeMap;

/// Records and bytes of appends that are joined into one.
const MAX_JOINED_RECORDS: usize = 4096;
const MAX_JOINED_BYTES: usize = 1 << 20;

/// Builds the transaction and the progress records that go with it.
pub(super) struct TransactionBuilder<'a> {
    plan: &'a Physical,
    limits: &'a RecordLimits,
    now: i64,
    /// Its `state` holds only changelogs until [`Self::finish`] adds the progress.
    transaction: Transaction,
    progress: RecordsBuilder,
}

impl<'a> TransactionBuilder<'a> {
    pub(super) fn new(plan: &'a Physical, limits: &'a RecordLimits, now: i64) -> Self {
        let (transaction, progress) = (Transaction::default(), RecordsBuilder::default());
        Self { plan, limits, now, transaction, progress }
    }

    /// Adds what one task hands over.
    pub(super) fn add(&mut self, commit: &mut TaskCommit, latency: &BTreeMap<TaskId, Latency>) -> Result<(), Fault> {
        self.transaction.results.append(&mut commit.appends);
        self.transaction.offsets.append(&mut commit.offsets);
        for (step, changes) in std::mem::take(&mut commit.changes) {
            self.add_changes(&step, commit.task, &changes)?;
        }
        commit.progress.latency = latency.get(&commit.task).cloned().unwrap_or_default();
        let value = serde_json::to_vec(&commit.progress).map_err(Fault::internal)?;
        self.progress.push(Some(commit.task.to_string().as_bytes()), Some(&value), self.now);
        Ok(())
    }

    fn add_changes(&mut self, step: &str, task: TaskId, changes: &[StateChange]) -> Result<(), Fault> {
        let mut records = RecordsBuilder::default();
        changes.iter().for_each(|(key, value)| records.push(Some(key), value.as_deref(), self.now));
        let to = TopicPartition { topic: self.plan.state_topic(step).into(), partition: task.partition };
        let records = records.finish();
        if let Some((_, error)) = self.limits.oversized(&to.topic, &records).into_iter().next() {
            return Err(Fault::Fatal(format!(
                "the state of `{step}` cannot be committed: {error}\nhint: keep less in one key (shorter windows, finer `by`); what was committed is safe"
            )));
        }
        self.transaction.state.push(Append { to, records });
        Ok(())
    }

    /// Adds what is known of the pipeline as a whole.
    pub(super) fn add_pipeline(&mut self, info: &PipelineInfo) -> Result<(), Fault> {
        let value = serde_json::to_vec(info).map_err(Fault::internal)?;
        self.progress.push(Some(PIPELINE_KEY.as_bytes()), Some(&value), self.now);
        Ok(())
    }

    /// The progress records, to add others to them.
    pub(super) fn progress(&mut self) -> &mut RecordsBuilder {
        &mut self.progress
    }

    pub(super) fn finish(mut self) -> Transaction {
        self.transaction.results = join_by_partition(std::mem::take(&mut self.transaction.results));
        self.transaction.state.push(to_progress(&self.plan.name, self.progress));
        self.transaction
    }
}

/// Small appends of several tasks to one partition become one append, in their order: a repartition topic gets one
/// of each task for each of its partitions.
fn join_by_partition(appends: Vec<Append>) -> Vec<Append> {
    /// The parts of an append that is not complete.
    struct Open {
        index: usize,
        rows: usize,
        bytes: usize,
    }
    let mut open: BTreeMap<TopicPartition, Open> = BTreeMap::new();
    let mut joined: Vec<(TopicPartition, Vec<Records>)> = Vec::new();
    for Append { to, records } in appends {
        let (rows, bytes) = (records.len(), records.bytes());
        match open.get_mut(&to) {
            Some(o) if o.rows + rows <= MAX_JOINED_RECORDS && o.bytes + bytes <= MAX_JOINED_BYTES => {
                (o.rows, o.bytes) = (o.rows + rows, o.bytes + bytes);
                joined[o.index].1.push(records);
            }
            _ => {
                open.insert(to.clone(), Open { index: joined.len(), rows, bytes });
                joined.push((to, vec![records]));
            }
        }
    }
    joined.into_iter().map(|(to, parts)| Append { to, records: Records::concat(parts) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn appends_to_one_partition_are_joined_in_their_order() {
        let append = |partition: u32, values: &[&str]| {
            let mut records = RecordsBuilder::default();
            values.iter().for_each(|v| records.push(None, Some(v.as_bytes()), 0));
            Append { to: TopicPartition::new("t", partition), records: records.finish() }
        };
        let large = "x".repeat(MAX_JOINED_BYTES);
        let joined = join_by_partition(vec![
            append(1, &["a"]),
            append(0, &["b", "c"]),
            append(1, &["d"]),
            append(1, &[&large]),
            append(0, &["e"]),
            append(1, &["f"]),
        ]);
        let text = |a: &Append| {
            let values =
                a.records.values.iter().map(|v| String::from_utf8_lossy(&v.unwrap_or_default()[..1]).into_owned());
            format!("{} {}", a.to.partition, values.collect::<String>())
        };
        assert_eq!(joined.iter().map(text).collect::<Vec<_>>(), ["1 ad", "0 bce", "1 x", "1 f"]);
    }
}
