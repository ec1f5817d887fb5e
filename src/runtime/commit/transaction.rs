//! What tasks handed over since the last commit, as one transaction: outputs first, then changelogs, then progress.

use super::instance_record::to_progress;
use crate::log::{Append, Transaction};
use crate::metrics::{Latency, PIPELINE_KEY, PipelineInfo};
use crate::plan::Physical;
use crate::record::{RecordsBuilder, TopicPartition};
use crate::runtime::fault::Fault;
use crate::runtime::task::{TaskCommit, TaskId};
use crate::state::StateChange;
use std::collections::BTreeMap;

/// Builds the transaction and the progress records that go with it.
pub(super) struct TransactionBuilder<'a> {
    plan: &'a Physical,
    now: i64,
    transaction: Transaction,
    changelogs: Vec<Append>,
    progress: RecordsBuilder,
}

impl<'a> TransactionBuilder<'a> {
    pub(super) fn new(plan: &'a Physical, now: i64) -> Self {
        let (transaction, progress) = (Transaction::default(), RecordsBuilder::default());
        Self { plan, now, transaction, changelogs: Vec::new(), progress }
    }

    /// Adds what one task hands over.
    pub(super) fn add(&mut self, commit: &mut TaskCommit, latency: &BTreeMap<TaskId, Latency>) -> Result<(), Fault> {
        self.transaction.appends.append(&mut commit.appends);
        self.transaction.offsets.append(&mut commit.offsets);
        for (step, changes) in std::mem::take(&mut commit.changes) {
            self.add_changes(&step, commit.task, &changes);
        }
        commit.progress.latency = latency.get(&commit.task).cloned().unwrap_or_default();
        let value = serde_json::to_vec(&commit.progress).map_err(Fault::internal)?;
        self.progress.push(Some(commit.task.to_string().as_bytes()), Some(&value), self.now);
        Ok(())
    }

    fn add_changes(&mut self, step: &str, task: TaskId, changes: &[StateChange]) {
        let mut records = RecordsBuilder::default();
        changes.iter().for_each(|(key, value)| records.push(Some(key), value.as_deref(), self.now));
        let to = TopicPartition { topic: self.plan.state_topic(step).into(), partition: task.partition };
        self.changelogs.push(Append { to, records: records.finish() });
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
        let Transaction { appends, flush_points, .. } = &mut self.transaction;
        if !self.changelogs.is_empty() {
            let results = appends.len();
            *flush_points = vec![results, results + self.changelogs.len()];
            appends.append(&mut self.changelogs);
        }
        appends.push(to_progress(&self.plan.name, self.progress));
        self.transaction
    }
}
