//! Reads the progress topics of pipelines, from any process, for `stats` and `demo`.
//!
//! It joins no group and writes nothing. It keeps its position on each progress topic, so that a snapshot reads only
//! new records.

use crate::diagnostics::nearest;
use crate::log::{FetchLimit, Log, LogError, Reader, Start};
use crate::metrics::{OffsetBounds, PROGRESS_SUFFIX, Reports, Snapshot, progress_topic};
use crate::record::{Fetched, Offset, TopicPartition};
use crate::time::Clock;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

/// How long a poll waits for records that are in the topic.
const POLL_TIMEOUT: Duration = Duration::from_millis(100);

/// How many polls without progress a snapshot waits for a transaction that is open when it is taken: five seconds. A
/// run commits much more often.
const MAX_POLLS_AT_REST: u32 = 50;

/// Why the state of a pipeline could not be read.
#[derive(Debug, Error)]
pub enum ObserveError {
    /// No pipeline of that name has ever run here.
    #[error("no pipeline `{pipeline}` has run on {log}")]
    Unknown {
        /// The requested name.
        pipeline: String,
        /// The backplane.
        log: String,
        /// The pipelines that have run.
        known: Vec<String>,
    },
    /// A progress topic holds something that no pipeline of this version wrote.
    #[error("record {offset} of topic `{topic}` is no report of a pipeline: {reason}")]
    Foreign {
        /// The topic.
        topic: String,
        /// The record.
        offset: i64,
        /// What is wrong with it.
        reason: String,
    },
    /// A fault of the backplane.
    #[error(transparent)]
    Log(#[from] LogError),
}

impl ObserveError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unknown { known, .. } if known.is_empty() => Some("start one with `fastdata run PIPELINE`".into()),
            Self::Unknown { pipeline, known, .. } => Some(match nearest(pipeline, known.iter().map(String::as_str)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("there are `{}`", known.join("`, `")),
            }),
            Self::Foreign { topic, .. } => Some(format!(
                "if nothing else needs it, `fastdata topics delete {topic}`; the pipeline then starts over"
            )),
            Self::Log(_) => None,
        }
    }
}

/// Observes the pipelines of a backplane.
pub struct Observer {
    log: Arc<dyn Log>,
    clock: Arc<dyn Clock>,
    feeds: BTreeMap<String, PipelineFeed>,
    /// Topics that the user may not describe; each is logged once.
    denied: BTreeSet<String>,
}

/// The reader of one progress topic, and the reports read so far.
struct PipelineFeed {
    topic: String,
    reader: Box<dyn Reader>,
    reports: Reports,
}

impl Observer {
    /// Creates an observer.
    #[must_use]
    pub fn new(log: Arc<dyn Log>, clock: Arc<dyn Clock>) -> Self {
        Self { log, clock, feeds: BTreeMap::new(), denied: BTreeSet::new() }
    }

    /// The pipelines that have run on this backplane, by name.
    ///
    /// # Errors
    /// Faults of the backplane.
    pub fn pipelines(&self) -> Result<Vec<String>, LogError> {
        let topics = self.log.topics(None)?.into_iter().filter(|t| t.config.compacted);
        Ok(topics.filter_map(|t| t.name.strip_suffix(PROGRESS_SUFFIX).map(str::to_owned)).collect())
    }

    /// The current statistics of a pipeline.
    ///
    /// # Errors
    /// Where it has never run, its reports cannot be read, or the backplane cannot.
    pub fn snapshot(&mut self, pipeline: &str) -> Result<Snapshot, ObserveError> {
        let feed = match self.feeds.remove(pipeline) {
            Some(mut feed) => match feed.read(&*self.log) {
                Ok(()) => feed,
                // The pipeline started over.
                Err(ObserveError::Log(e)) if is_replaced(&e) => self.open(pipeline)?,
                Err(e) => return Err(e),
            },
            None => self.open(pipeline)?,
        };
        // Ends are fetched after the reports, so that no position is beyond its end.
        let mut bounds = BTreeMap::new();
        for topic in feed.reports.topics() {
            let found = match self.log.topics(Some(&topic)) {
                Err(LogError::Denied(why)) => {
                    if self.denied.insert(topic.clone()) {
                        tracing::warn!("the lag of topic `{topic}` is left out: {why}");
                    }
                    continue;
                }
                found => found?.pop(),
            };
            if let Some(info) = found {
                let of = |p: &crate::log::PartitionInfo| OffsetBounds { earliest: p.earliest.0, end: p.end.0 };
                bounds.insert(topic, info.partitions.iter().map(of).collect());
            }
        }
        let snapshot = Snapshot::of(pipeline, &feed.reports, &bounds, self.clock.now());
        self.feeds.insert(pipeline.to_owned(), feed);
        Ok(snapshot)
    }

    fn open(&self, pipeline: &str) -> Result<PipelineFeed, ObserveError> {
        let topic = progress_topic(pipeline);
        if self.log.topics(Some(&topic))?.is_empty() {
            let (pipeline, known) = (pipeline.to_owned(), self.pipelines()?);
            return Err(ObserveError::Unknown { pipeline, log: self.log.name(), known });
        }
        let at = TopicPartition::new(topic.as_str(), 0);
        let from = self.log.resolve(&at, Start::Earliest)?;
        let mut feed = PipelineFeed { topic, reader: self.log.reader(&[(at, from)])?, reports: Reports::default() };
        feed.read(&*self.log)?;
        Ok(feed)
    }
}

impl PipelineFeed {
    /// Reads to where the topic ends now; a run writes on meanwhile. A commit writes one batch, which is read whole
    /// unless a fetch ends in it, so that tasks that committed together appear together.
    fn read(&mut self, log: &dyn Log) -> Result<(), ObserveError> {
        let at = TopicPartition::new(self.topic.as_str(), 0);
        let (end, limit) = (log.resolve(&at, Start::Latest)?, FetchLimit::default());
        let (mut polls_at_rest, mut timeout) = (0, Duration::ZERO);
        loop {
            let before = self.next();
            // Also where the position is at the end already: the topic may have been made again since.
            let fetched = self.reader.poll(limit, timeout)?;
            timeout = POLL_TIMEOUT;
            let is_full = fetched.as_ref().is_some_and(|f| f.offsets.len() >= limit.records);
            fetched.map_or(Ok(()), |fetched| self.take(&fetched))?;
            if self.next() >= end && !is_full {
                return Ok(());
            }
            polls_at_rest = if self.next() == before { polls_at_rest + 1 } else { 0 };
            if polls_at_rest == MAX_POLLS_AT_REST {
                tracing::warn!(
                    "topic `{}` cannot be read from offset {before} to its end, {end}: a broker is away, or a transaction in it is still open; these statistics are those of before",
                    self.topic
                );
                return Ok(());
            }
        }
    }

    /// The position in the topic.
    fn next(&self) -> Offset {
        self.reader.positions().first().map_or(Offset(0), |(_, next)| *next)
    }

    fn take(&mut self, fetched: &Fetched) -> Result<(), ObserveError> {
        self.reports.apply_all(fetched).map_err(|(offset, e)| ObserveError::Foreign {
            topic: self.topic.clone(),
            offset: offset.0,
            reason: e.to_string(),
        })
    }
}

fn is_replaced(error: &LogError) -> bool {
    use LogError as E;
    matches!(error, E::TopicReplaced { .. } | E::UnknownTopic { .. } | E::OffsetOutOfRange { .. })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::log::embedded::EmbeddedLog;
    use crate::log::{Append, TopicConfig};
    use crate::metrics::{InputProgress, PIPELINE_KEY, PipelineInfo, SourceInfo, TaskProgress};
    use crate::record::RecordsBuilder;
    use crate::time::VirtualClock;

    struct Pipeline {
        _folder: tempfile::TempDir,
        log: Arc<dyn Log>,
        observer: Observer,
    }

    impl Pipeline {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let log: Arc<dyn Log> = Arc::new(EmbeddedLog::open(folder.path()).unwrap());
            let observer = Observer::new(log.clone(), Arc::new(VirtualClock::at(1_000)));
            let pipeline = Self { _folder: folder, log, observer };
            pipeline.create_progress_topic();
            pipeline
        }

        fn create_progress_topic(&self) {
            let compacted = TopicConfig { partitions: 1, compacted: true, ..TopicConfig::default() };
            self.log.create_topic("p.progress", &compacted).unwrap();
        }

        fn append(&self, topic: &str, key: &str, value: &[u8]) {
            let mut records = RecordsBuilder::default();
            records.push(Some(key.as_bytes()), Some(value), 900);
            let append = Append { to: TopicPartition::new(topic, 0), records: records.finish() };
            self.log.appender().unwrap().append(&[append]).unwrap();
        }

        fn report(&self, read: u64) {
            let source = SourceInfo { name: "raw".into(), topic: "raw".into() };
            let info = PipelineInfo { name: "p".into(), sources: vec![source], ..PipelineInfo::default() };
            let next = i64::try_from(read).unwrap();
            let input =
                InputProgress { name: "raw".into(), topic: "raw".into(), next, read, ..InputProgress::default() };
            let task = TaskProgress { committed_at: 950, inputs: vec![input], ..TaskProgress::default() };
            self.append("p.progress", PIPELINE_KEY, &serde_json::to_vec(&info).unwrap());
            self.append("p.progress", "0/0", &serde_json::to_vec(&task).unwrap());
        }

        fn read_and_lag(&mut self) -> (u64, Option<u64>) {
            let snapshot = self.observer.snapshot("p").unwrap();
            (snapshot.sources[0].read, snapshot.sources[0].lag)
        }
    }

    #[test]
    fn a_snapshot_includes_new_reports() {
        let mut p = Pipeline::new();
        p.log.create_topic("raw", &TopicConfig { partitions: 1, ..TopicConfig::default() }).unwrap();
        p.append("raw", "k", b"1");
        p.append("raw", "k", b"2");
        p.report(1);
        assert_eq!(p.read_and_lag(), (1, Some(1)));
        p.report(2);
        assert_eq!(p.read_and_lag(), (2, Some(0)));
        assert_eq!(p.observer.snapshot("p").unwrap().reported_at, Some(950));
    }

    #[test]
    fn a_recreated_progress_topic_is_read_from_its_start() {
        let mut p = Pipeline::new();
        p.report(7);
        assert_eq!(p.read_and_lag(), (7, None));
        p.log.delete_topic("p.progress").unwrap();
        p.create_progress_topic();
        p.report(1);
        assert_eq!(p.read_and_lag(), (1, None));
    }

    #[test]
    fn an_unknown_pipeline_gets_the_nearest_name_as_hint() {
        let mut p = Pipeline::new();
        p.log.create_topic("other.progress", &TopicConfig { partitions: 1, ..TopicConfig::default() }).unwrap();
        assert_eq!(p.observer.pipelines().unwrap(), ["p"], "a topic that is not compacted is no pipeline's");
        assert_eq!(p.observer.snapshot("q").unwrap_err().hint().unwrap(), "there are `p`");
        p.report(1);
        p.log
            .create_topic("wine.progress", &TopicConfig { partitions: 1, compacted: true, ..TopicConfig::default() })
            .unwrap();
        assert_eq!(p.observer.snapshot("wien").unwrap_err().hint().unwrap(), "did you mean `wine`?");
    }

    #[test]
    fn a_foreign_record_is_reported_with_its_offset() {
        let mut p = Pipeline::new();
        p.report(1);
        p.append("p.progress", "0/1", b"no");
        let error = p.observer.snapshot("p").unwrap_err();
        assert!(error.to_string().starts_with("record 2 of topic `p.progress` is no report of a pipeline"), "{error}");
    }
}
