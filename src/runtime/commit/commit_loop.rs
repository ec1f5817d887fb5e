//! The commit loop: a thread that collects what tasks hand over at each barrier and then ends the epoch.

use super::changelog_position::ChangelogPositions;
use super::commits::{Commits, Handover};
use crate::log::Committer;
use crate::runtime::task::message::{CommitOutcome, Epoch, EpochEnd, TaskReport};
use std::collections::BTreeMap;
use std::sync::mpsc::SyncSender;
use tokio::sync::mpsc;

/// What the loop returns when everything is committed, or after a fault.
pub(in crate::runtime) struct CommitEnd {
    pub(in crate::runtime) committer: Box<dyn Committer>,
    /// Up to where each changelog is known; none after a fault.
    pub(in crate::runtime) changelogs: Option<ChangelogPositions>,
}

/// Ends epoch after epoch until all tasks are gone.
pub(in crate::runtime) fn run(
    mut commits: Commits,
    mut reports: mpsc::Receiver<TaskReport>,
    outcomes: &SyncSender<CommitOutcome>,
) -> CommitEnd {
    let mut collected: BTreeMap<Epoch, (Vec<Handover>, bool)> = BTreeMap::new();
    while let Some(report) = reports.blocking_recv() {
        let outcome = match report {
            TaskReport::Failed(fault) => Err(fault),
            TaskReport::Ready { epoch, commit, read_at, complete } => {
                let (of_epoch, all_complete) = collected.entry(epoch).or_insert((Vec::new(), true));
                of_epoch.push((*commit, read_at));
                *all_complete &= complete;
                if of_epoch.len() < commits.context.instance.tasks() {
                    continue;
                }
                let (of_epoch, complete) = collected.remove(&epoch).unwrap_or_default();
                commits.end_epoch(of_epoch, epoch.commits).map(|()| EpochEnd { epoch, complete })
            }
        };
        let failed = outcome.is_err();
        // The intake drops its end only when the run is over.
        if outcomes.send(outcome).is_err() || failed {
            return CommitEnd { committer: commits.context.committer, changelogs: None };
        }
    }
    let context = commits.finish();
    CommitEnd { committer: context.committer, changelogs: Some(context.changelogs) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::commits::CommitContext;
    use super::super::instance_record::InstanceRecord;
    use super::super::run_gauge::RunGauge;
    use super::super::state_records::StateRecords;
    use super::super::trimming::Trimming;
    use super::*;
    use crate::diagnostics::SourceText;
    use crate::log::{LogError, LogResult, RecordLimits, Transaction};
    use crate::metrics::PipelineInfo;
    use crate::metrics::{StepProgress, TaskProgress};
    use crate::plan::InputPlan;
    use crate::record::{Offset, TopicPartition};
    use crate::runtime::cancel::CancelToken;
    use crate::runtime::task::gauges::Gauges;
    use crate::runtime::task::{TaskCommit, TaskId};
    use crate::state::StateChange;
    use crate::time::VirtualClock;
    use std::io::{Read as _, Seek as _};
    use std::sync::atomic::Ordering;
    use std::sync::mpsc::sync_channel;
    use std::sync::{Arc, Mutex};

    const TEXT: &str = "name: p
state: {memory_limit: 1KiB}
source: {topic: in, key: a, schema: {a: string, b: string}}
steps:
  - {name: counted, scan: {by: [b], init: {c: 0}, next: {c: c + 1}}}
sink: out
";

    const TASK: TaskId = TaskId { sub: 1, partition: crate::record::Partition(0) };

    /// A committer whose commits succeed or fail.
    struct TestCommitter {
        succeeds: bool,
        /// The progress records of all commits, one after the other.
        progress: Arc<Mutex<String>>,
    }

    impl Committer for TestCommitter {
        fn commit(&mut self, transaction: &Transaction) -> LogResult<Vec<Option<Offset>>> {
            match self.succeeds {
                true => {
                    let records = transaction.state.last().map(|append| append.records.values.clone());
                    let mut progress = self.progress.lock().unwrap();
                    records.iter().flatten().flatten().for_each(|v| progress.push_str(&String::from_utf8_lossy(v)));
                    Ok(vec![None; transaction.state.len()])
                }
                false => Err(LogError::Busy("the coordinator is away".into())),
            }
        }
    }

    /// The commits of a task that reads a repartition topic, and what is removed from the topic.
    fn commits(
        succeeds: bool,
        gauges: &Arc<Gauges>,
    ) -> (Commits, std::sync::mpsc::Receiver<super::super::trimming::TrimPoints>, Arc<Mutex<String>>) {
        let source = Arc::new(SourceText { name: "p.yaml".into(), text: TEXT.into() });
        let spec = crate::spec::parse(source, std::path::Path::new("."), &crate::spec::ProcessEnvironment).unwrap();
        let plan = crate::plan::compile(&spec, &crate::expr::Functions::new()).unwrap();
        let (clock, info, gauges) = (Arc::new(VirtualClock::at(0)), PipelineInfo::default(), gauges.clone());
        let instance = InstanceRecord::new([TASK].into_iter(), Vec::new());
        let (trimming, trimmed) = Trimming::new();
        let progress: Arc<Mutex<String>> = Arc::default();
        let committer = Box::new(TestCommitter { succeeds, progress: progress.clone() });
        let (plan, changelogs, cancel) = (Arc::new(plan), ChangelogPositions::default(), CancelToken::default());
        (
            Commits::new(CommitContext {
                plan,
                limits: RecordLimits::default(),
                committer,
                clock,
                info,
                instance,
                states: StateRecords::default(),
                gauges,
                trimming,
                changelogs,
                cancel,
                has_failed: Arc::default(),
                work: RunGauge::default(),
            }),
            trimmed,
            progress,
        )
    }

    fn ready(epoch: Epoch, changes: Vec<StateChange>, offsets: Vec<(TopicPartition, Offset)>) -> TaskReport {
        let commit = TaskCommit {
            task: TASK,
            appends: Vec::new(),
            changes: vec![("counted".to_owned(), changes)],
            offsets,
            progress: TaskProgress::default(),
            dirty: true,
        };
        TaskReport::Ready { epoch, commit: Box::new(commit), read_at: Vec::new(), complete: true }
    }

    /// What is removed from a repartition topic after a run that has processed its records up to the fifth.
    fn removed(succeeds: bool) -> Vec<(TopicPartition, Offset)> {
        let (commits, trimmed, _) = commits(succeeds, &Arc::default());
        let mut inputs = commits.context.plan.subs.iter().flat_map(|s| &s.inputs).map(InputPlan::topic);
        let at = TopicPartition { topic: inputs.next_back().unwrap().clone(), partition: TASK.partition };
        let (to, reports) = mpsc::channel(1);
        let (done, _completed) = sync_channel(1);
        let epoch = Epoch { number: 1, commits: true };
        to.try_send(ready(epoch, Vec::new(), vec![(at, Offset(5))])).unwrap_or_default();
        drop(to);
        let trimming = std::thread::spawn(move || trimmed.into_iter().flatten().collect());
        drop(run(commits, reports, &done));
        trimming.join().unwrap()
    }

    #[test]
    fn repartitioned_records_stay_until_their_positions_are_committed() {
        assert_eq!(removed(true).len(), 1, "all is well");
        assert_eq!(removed(false), [], "the next run reads them again");
    }

    /// What is logged while an epoch is committed, and whether a commit counts as failed then.
    fn logged(succeeds: bool, failed_before: bool) -> (String, bool) {
        let mut file = tempfile::tempfile().unwrap();
        let writer = Arc::new(file.try_clone().unwrap());
        let subscriber = tracing_subscriber::fmt().with_writer(writer).with_ansi(false).finish();
        let (commits, _trimmed, _) = commits(succeeds, &Arc::default());
        let has_failed = commits.context.has_failed.clone();
        has_failed.store(failed_before, Ordering::Relaxed);
        let (to, reports) = mpsc::channel(1);
        let (done, _completed) = sync_channel(1);
        to.try_send(ready(Epoch { number: 1, commits: true }, Vec::new(), Vec::new())).unwrap_or_default();
        drop(to);
        tracing::subscriber::with_default(subscriber, || drop(run(commits, reports, &done)));
        let mut text = String::new();
        file.rewind().unwrap();
        file.read_to_string(&mut text).unwrap();
        (text, has_failed.load(Ordering::Relaxed))
    }

    #[test]
    fn commits_that_fail_and_that_work_again_are_logged() {
        let (text, failed) = logged(false, false);
        assert!(text.contains("commit, attempt 1: ") && failed, "{text}");
        let (text, failed) = logged(true, true);
        assert!(text.matches("commits again").count() == 1 && !failed, "{text}");
        assert_eq!(logged(true, false), (String::new(), false));
    }

    #[test]
    fn state_counts_as_uncommitted_only_until_the_next_commit() {
        let gauges: Arc<Gauges> = Arc::default();
        let (commits, _trimmed, _) = commits(true, &gauges);
        let (to, reports) = mpsc::channel(1);
        let (done, completed) = sync_channel(1);
        let running = std::thread::spawn(move || drop(run(commits, reports, &done)));
        let mut uncommitted = Vec::new();
        for (number, commits_now) in (1..).zip([true, false, false, true, false]) {
            let change = (b"12345".to_vec(), Some(b"678".to_vec()));
            to.blocking_send(ready(Epoch { number, commits: commits_now }, vec![change], Vec::new()))
                .unwrap_or_default();
            assert!(completed.recv().unwrap().is_ok());
            uncommitted.push(gauges.uncommitted_state_bytes.load(Ordering::Relaxed));
        }
        drop(to);
        running.join().unwrap();
        assert_eq!(uncommitted, [0, 8, 16, 0, 8]);
    }

    #[test]
    fn an_instance_reports_its_end_unless_the_run_goes_back_after_a_fault() {
        for goes_back in [false, true] {
            let gauges: Arc<Gauges> = Arc::default();
            gauges.goes_back.store(goes_back, Ordering::Relaxed);
            let (commits, _trimmed, progress) = commits(true, &gauges);
            let (to, reports) = mpsc::channel(1);
            drop(to);
            drop(run(commits, reports, &sync_channel(1).0));
            let progress = progress.lock().unwrap();
            assert_eq!(progress.contains("\"stopped_at\":0"), !goes_back, "{progress}");
        }
    }

    #[test]
    fn state_that_was_restored_counts_from_the_first_commit_on() {
        let (mut commits, _trimmed, _) = commits(true, &Arc::default());
        let step = |bytes| StepProgress { name: "counted".into(), keys: 1, bytes, ..StepProgress::default() };
        let commit = |partition, bytes, dirty| TaskCommit {
            task: TaskId { partition: crate::record::Partition(partition), ..TASK },
            appends: Vec::new(),
            changes: Vec::new(),
            offsets: Vec::new(),
            progress: TaskProgress { steps: vec![step(bytes)], ..TaskProgress::default() },
            dirty,
        };
        let handed_over = |restored| vec![(commit(0, 24, true), Vec::new()), (commit(1, restored, false), Vec::new())];
        assert!(commits.end_epoch(handed_over(1_000), true).is_ok());
        let fault = commits.end_epoch(handed_over(1_001), true).unwrap_err().to_string();
        assert!(fault.contains("1025 bytes, beyond `state.memory_limit` of 1024"), "{fault}");
    }
}
