//! What tasks handed over since the last commit, as one transaction: results, and state with its counters.

use super::instance_record::to_progress;
use crate::log::{Append, RecordLimits, Transaction};
use crate::metrics::{Latency, PIPELINE_KEY, PipelineInfo};
use crate::plan::Physical;
use crate::record::{RecordsBuilder, TopicPartition};
use crate::runtime::fault::Fault;
use crate::runtime::task::outbox::join_by_partition;
use crate::runtime::task::{TaskCommit, TaskId};
use crate::state::StateChange;
use std::collections::BTreeMap;

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
        // A repartition topic gets small appends of each task for each of its partitions.
        self.transaction.results = join_by_partition(std::mem::take(&mut self.transaction.results));
        self.transaction.state.push(to_progress(&self.plan.name, self.progress));
        self.transaction
    }
}
