//! The tasks of other instances that a bounded run waits for.
//!
//! A task that is at its end says so in the progress topic, and repeats it. Only what is written after this assignment
//! began counts: the group had revoked all partitions before, so it comes from the current owner of the task, and not
//! from an earlier run, which may have left windows open that this one closes.

use super::progress::not_progress;
use super::stages::Stage;
use crate::log::{FetchLimit, Log, LogResult, Reader, Recovery, Start};
use crate::metrics::{TaskProgress, progress_topic};
use crate::record::{Fetched, Offset, TopicPartition};
use crate::runtime::fault::Fault;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often the reports of the other instances are read.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Fetches of one poll, after which the group is polled again.
const MAX_FETCHES_PER_POLL: usize = 16;

/// Where the sources of a task end.
type SourceEnds = Vec<(Arc<str>, Offset)>;

/// The tasks of other instances that are not known to be at their end.
pub(super) struct Peers {
    /// The progress topic.
    at: TopicPartition,
    /// The first report to read; `None` where it could not be looked up yet.
    next: Option<Offset>,
    /// Open while there are tasks to wait for.
    reader: Option<Box<dyn Reader>>,
    /// By the key of their report.
    awaited: BTreeMap<String, SourceEnds>,
    polled_at: Option<Instant>,
}

impl Peers {
    pub(super) fn new(pipeline: &str) -> Self {
        let at = TopicPartition::new(progress_topic(pipeline), 0);
        Self { at, next: None, reader: None, awaited: BTreeMap::new(), polled_at: None }
    }

    /// Counts reports from now on. While the backplane is busy this is put off: each report is repeated.
    pub(super) fn begin(&mut self, log: &dyn Log) -> Result<(), Fault> {
        if self.next.is_none() {
            self.next = unless_busy(log.resolve(&self.at, Start::Latest))?;
        }
        Ok(())
    }

    /// Waits for the tasks of a stage that read these partitions. The end of a source is part of the run; that of an
    /// internal topic is where its senders ended, which a task has come to where it says so.
    pub(super) fn expect<'a>(
        &mut self,
        stage: &Stage,
        partitions: impl Iterator<Item = &'a TopicPartition>,
        end: impl Fn(&TopicPartition) -> Offset,
    ) {
        self.awaited.clear();
        for at in partitions {
            let ends = self.awaited.entry(format!("{}/{}", stage.sub, at.partition)).or_default();
            if stage.sources.contains(&at.topic) {
                ends.push((at.topic.clone(), end(at)));
            }
        }
        self.polled_at = None;
    }

    /// Whether all have come to their end, as far as is known; reads what they have reported since, without waiting.
    pub(super) fn are_done(&mut self, log: &dyn Log) -> Result<bool, Fault> {
        let due = self.polled_at.is_none_or(|at| at.elapsed() >= POLL_INTERVAL);
        if due && !self.awaited.is_empty() {
            self.poll(log)?;
            self.polled_at = Some(Instant::now());
        }
        if self.awaited.is_empty() {
            self.reader = None;
        }
        Ok(self.awaited.is_empty())
    }

    fn poll(&mut self, log: &dyn Log) -> Result<(), Fault> {
        self.begin(log)?;
        let Some(next) = self.next else { return Ok(()) };
        if self.reader.is_none() {
            self.reader = unless_busy(log.reader(&[(self.at.clone(), next)]))?;
        }
        for _ in 0..MAX_FETCHES_PER_POLL {
            let Some(reader) = &mut self.reader else { return Ok(()) };
            let polled = unless_busy(reader.poll(FetchLimit::default(), Duration::ZERO))?;
            let Some(fetched) = polled.flatten() else { return Ok(()) };
            self.take(&fetched)?;
        }
        Ok(())
    }

    fn take(&mut self, fetched: &Fetched) -> Result<(), Fault> {
        for record in fetched.keyed() {
            let key = String::from_utf8_lossy(record.key);
            let (Some(ends), Some(value)) = (self.awaited.get(&*key), record.value) else { continue };
            let task: TaskProgress = serde_json::from_slice(value).map_err(|e| not_progress(&self.at.topic, &e))?;
            if is_at_end(&task, ends) {
                self.awaited.remove(&*key);
            }
        }
        self.next = fetched.offsets.last().map_or(self.next, |last| Some(Offset(last + 1)));
        Ok(())
    }
}

/// Whether a task has ended, and not at an earlier end of a source: its instance may have started before this one.
fn is_at_end(task: &TaskProgress, ends: &[(Arc<str>, Offset)]) -> bool {
    let next = |topic: &str| task.inputs.iter().find(|i| *i.topic == *topic).map_or(0, |i| i.next);
    task.ended && ends.iter().all(|(topic, end)| next(topic) >= end.0)
}

/// `None` where the backplane is busy: the question is asked again.
fn unless_busy<T>(answer: LogResult<T>) -> Result<Option<T>, Fault> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(e) if e.recovery() == Recovery::Retry => {
            tracing::debug!("the reports of other instances: {e}");
            Ok(None)
        }
        Err(e) => Err(e.into()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::log::embedded::EmbeddedLog;
    use crate::log::{Append, LogError, TopicConfig};
    use crate::metrics::InputProgress;
    use crate::record::RecordsBuilder;
    use std::collections::BTreeSet;

    const GROUP: &str = "p";

    /// Reports that task 0/1 stands at `next` of its source.
    fn report(log: &EmbeddedLog, next: i64, ended: bool) {
        let inputs =
            ["in", "p.by"].map(|topic| InputProgress { topic: topic.into(), next, ..InputProgress::default() });
        let task = TaskProgress { partition: 1, ended, inputs: inputs.into(), ..TaskProgress::default() };
        let mut records = RecordsBuilder::default();
        records.push(Some(b"0/1"), Some(&serde_json::to_vec(&task).unwrap()), 0);
        records.push(Some(b"pipeline"), Some(b"{}"), 0);
        let to = TopicPartition::new(progress_topic(GROUP), 0);
        log.appender().unwrap().append(&[Append { to, records: records.finish() }]).unwrap();
    }

    fn log_with_progress() -> (EmbeddedLog, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let log = EmbeddedLog::open(folder.path()).unwrap();
        let config = TopicConfig { partitions: 1, compacted: true, ..TopicConfig::default() };
        log.create_topic(&progress_topic(GROUP), &config).unwrap();
        (log, folder)
    }

    /// Waits for the task of two partitions, of which the source ends at 10.
    fn expect(peers: &mut Peers) {
        let partitions = ["in", "p.by"].map(|topic| TopicPartition::new(topic, 1));
        let sources = BTreeSet::from(["in".into()]);
        let stage = Stage { sub: 0, partitions: Vec::new(), sources, feeds_others: true };
        peers.expect(&stage, partitions.iter(), |at| Offset(if *at.topic == *"in" { 10 } else { 99 }));
    }

    fn are_done(peers: &mut Peers, log: &EmbeddedLog) -> bool {
        peers.polled_at = None;
        peers.are_done(log).unwrap()
    }

    #[test]
    fn a_task_counts_as_ended_where_it_says_so_in_this_run_at_the_end_of_its_source() {
        let (log, _folder) = log_with_progress();
        let mut peers = Peers::new(GROUP);
        report(&log, 10, true);
        peers.begin(&log).unwrap();
        expect(&mut peers);
        assert!(!are_done(&mut peers, &log), "an earlier run was at its end there");
        report(&log, 10, false);
        assert!(!are_done(&mut peers, &log), "not everything has left yet");
        report(&log, 9, true);
        assert!(!are_done(&mut peers, &log), "its instance started before, where the source ended earlier");
        report(&log, 10, true);
        assert!(are_done(&mut peers, &log));
        assert!(peers.reader.is_none(), "none is held open");
        expect(&mut peers);
        assert!(!are_done(&mut peers, &log), "each report is read once");
        report(&log, 10, true);
        assert!(are_done(&mut peers, &log));
    }

    /// A reader of a log that is busy at first.
    struct BusyReader(Box<dyn Reader>, u32);

    impl Reader for BusyReader {
        fn poll(&mut self, limit: FetchLimit, wait: Duration) -> LogResult<Option<Fetched>> {
            self.1 = self.1.saturating_sub(1);
            if self.1 > 0 { Err(LogError::Busy("the broker is away".into())) } else { self.0.poll(limit, wait) }
        }

        fn positions(&self) -> Vec<(TopicPartition, Offset)> {
            self.0.positions()
        }

        fn pause(&mut self, of: &[TopicPartition], paused: bool) -> LogResult<()> {
            self.0.pause(of, paused)
        }
    }

    #[test]
    fn a_busy_backplane_is_asked_again_and_ends_no_run() {
        let (log, _folder) = log_with_progress();
        let mut peers = Peers::new(GROUP);
        peers.begin(&log).unwrap();
        expect(&mut peers);
        report(&log, 10, true);
        let reader = log.reader(&[(peers.at.clone(), peers.next.unwrap())]).unwrap();
        peers.reader = Some(Box::new(BusyReader(reader, 3)));
        let answers: Vec<bool> = (0..3).map(|_| are_done(&mut peers, &log)).collect();
        assert_eq!(answers, [false, false, true]);
    }
}
