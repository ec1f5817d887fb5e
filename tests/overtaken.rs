//! Runs that were asleep while their tasks were being built, and find that others have gone on.
//!
//! The log has one member only: here one stands between it and the run, and tells the run of a moment that
//! is over. No real sleep is needed, and none is waited for.

use crate::harness::drive::{Drive, NOW};
use crate::harness::engine;
use crate::harness::record::{Record, Topics};
use crate::harness::wait;
use fastdata::log::embedded::EmbeddedLog;
use fastdata::log::{
    Access, Append, Appender, Committer, FetchLimit, GroupEvent, GroupSpec, Log, LogResult, Member, Reader, Start,
    TopicConfig, TopicInfo,
};
use fastdata::metrics::progress_topic;
use fastdata::record::{Offset, RecordsBuilder, TopicPartition};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

const FOLD: &str = "name: p
source: {topic: in, key: kind, schema: {kind: string, v: bigint}}
steps:
  - {name: folded, scan: {by: [kind], init: {n: 0}, next: {n: n + v}}}
sink: {topic: out}
";

const STATE: &str = "p.folded.state";

/// What the run finds once it is awake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Finds {
    /// Positions that are further than it was told.
    Positions,
    /// A key less in its state.
    Keys,
    /// The same where no position has moved, and progress that is newer than it was told.
    Clock,
    /// The same as with positions, and its partitions are taken back meanwhile.
    Decision,
}

#[derive(Debug)]
struct Asleep {
    log: Arc<EmbeddedLog>,
    finds: Finds,
    over: AtomicBool,
    cut: AtomicBool,
    joined: AtomicUsize,
    polls: AtomicUsize,
}

impl Asleep {
    fn now(&self, finds: Finds) -> bool {
        self.finds == finds && !self.over.load(SeqCst)
    }

    /// The first record of the changelog again; or its key without a value.
    fn state(&self, whole: bool) {
        let at = TopicPartition::new(STATE, 0);
        let mut reader = self.log.reader(&[(at.clone(), Offset(0))]).unwrap();
        let first = reader.poll(FetchLimit { records: 1, bytes: 1 }, Duration::ZERO).unwrap().unwrap();
        let mut b = RecordsBuilder::default();
        b.push(Some(first.records.keys.value(0)), whole.then(|| first.records.values.value(0)), NOW);
        self.log.appender().unwrap().append(&[Append { to: at, records: b.finish() }]).unwrap();
    }
}

impl Asleep {
    /// The progress of the one task again, with a later time.
    fn newer_progress(&self) {
        let at = TopicPartition::new(progress_topic("p"), 0);
        let mut reader = self.log.reader(&[(at.clone(), Offset(0))]).unwrap();
        let mut last = None;
        while let Some(fetched) = reader.poll(FetchLimit::default(), Duration::ZERO).unwrap() {
            let records = &fetched.records;
            let values = (0..records.len()).filter(|r| records.keys.value(*r) == b"0/0");
            last = values.map(|r| records.values.value(r).to_vec()).last().or(last);
        }
        let mut progress: serde_json::Value = serde_json::from_slice(&last.unwrap()).unwrap();
        progress["at"] = json!(progress["at"].as_i64().unwrap() + 1);
        let mut b = RecordsBuilder::default();
        b.push(Some(b"0/0"), Some(progress.to_string().as_bytes()), NOW);
        self.log.appender().unwrap().append(&[Append { to: at, records: b.finish() }]).unwrap();
    }
}

struct Dreamer {
    inner: Box<dyn Member>,
    of: Arc<Asleep>,
    truth: Vec<(TopicPartition, Option<Offset>)>,
}

impl Member for Dreamer {
    fn poll(&mut self, limit: FetchLimit, wait: Duration) -> LogResult<GroupEvent> {
        let count = self.of.polls.fetch_add(1, SeqCst);
        if self.of.finds == Finds::Decision && count == 1 {
            return Ok(GroupEvent::Revoked(self.truth.iter().map(|(at, _)| at.clone()).collect()));
        }
        if self.of.finds == Finds::Decision && count == 2 {
            self.of.over.store(true, SeqCst);
            return Ok(GroupEvent::Assigned(self.truth.clone()));
        }
        let event = self.inner.poll(limit, wait)?;
        let GroupEvent::Assigned(told) = event else { return Ok(event) };
        self.truth = told.clone();
        let early = !self.of.over.load(SeqCst) && matches!(self.of.finds, Finds::Positions | Finds::Decision);
        let was = |(at, o): (TopicPartition, Option<Offset>)| (at, o.map(|o| Offset(o.0 - i64::from(early))));
        Ok(GroupEvent::Assigned(told.into_iter().map(was).collect()))
    }

    fn seek(&mut self, at: &TopicPartition, to: Offset) -> LogResult<()> {
        self.inner.seek(at, to)
    }

    fn positions(&self) -> Vec<(TopicPartition, Offset)> {
        self.inner.positions()
    }

    fn pause(&mut self, of: &[TopicPartition], paused: bool) -> LogResult<()> {
        self.inner.pause(of, paused)
    }

    fn committer(&mut self) -> LogResult<Box<dyn Committer>> {
        self.inner.committer()
    }

    fn leave(self: Box<Self>) -> LogResult<()> {
        self.inner.leave()
    }
}

/// The log as the run sees it.
#[derive(Debug)]
struct Dream(Arc<Asleep>);

impl Log for Dream {
    fn name(&self) -> String {
        self.0.log.name()
    }

    fn create_topic(&self, topic: &str, config: &TopicConfig) -> LogResult<()> {
        self.0.log.create_topic(topic, config)
    }

    fn delete_topic(&self, topic: &str) -> LogResult<()> {
        self.0.log.delete_topic(topic)
    }

    fn topics(&self, only: Option<&str>) -> LogResult<Vec<TopicInfo>> {
        self.0.log.topics(only)
    }

    fn delete_records(&self, before: &[(TopicPartition, Offset)]) -> LogResult<()> {
        self.0.log.delete_records(before)
    }

    fn resolve(&self, at: &TopicPartition, start: Start) -> LogResult<Offset> {
        self.0.log.resolve(at, start)
    }

    fn reader(&self, from: &[(TopicPartition, Offset)]) -> LogResult<Box<dyn Reader>> {
        let of = |topic: &str| from.iter().any(|(at, _)| *at.topic == *topic);
        if (self.0.now(Finds::Keys) || self.0.now(Finds::Clock)) && of(STATE) {
            self.0.state(false);
            self.0.cut.store(true, SeqCst);
        }
        if self.0.now(Finds::Clock) && self.0.cut.load(SeqCst) && of(&progress_topic("p")) {
            self.0.state(true);
            self.0.newer_progress();
            self.0.over.store(true, SeqCst);
        }
        if self.0.now(Finds::Decision) && of(&progress_topic("p")) {
            wait::until("the decision to be heard", || (self.0.polls.load(SeqCst) > 1).then_some(()));
        }
        self.0.log.reader(from)
    }

    fn appender(&self) -> LogResult<Box<dyn Appender>> {
        self.0.log.appender()
    }

    fn committed(&self, group: &str, of: &[TopicPartition]) -> LogResult<Vec<Option<Offset>>> {
        let truth = self.0.log.committed(group, of)?;
        let further = match self.0.finds {
            _ if self.0.over.load(SeqCst) => 0,
            Finds::Positions => 0,
            Finds::Clock => return Ok(truth),
            Finds::Keys => 1,
            Finds::Decision => return Ok(truth.into_iter().map(|o| o.map(|o| Offset(o.0 - 1))).collect()),
        };
        if self.0.now(Finds::Keys) {
            self.0.state(true);
        }
        self.0.over.store(true, SeqCst);
        Ok(truth.into_iter().map(|o| o.map(|o| Offset(o.0 + further))).collect())
    }

    fn delete_offsets(&self, group: &str, given_up: &AtomicBool) -> LogResult<()> {
        self.0.log.delete_offsets(group, given_up)
    }

    fn join(&self, group: &GroupSpec) -> LogResult<Box<dyn Member>> {
        self.0.joined.fetch_add(1, SeqCst);
        Ok(Box::new(Dreamer { inner: self.0.log.join(group)?, of: self.0.clone(), truth: Vec::new() }))
    }

    fn check_access(&self, access: &Access<'_>) -> LogResult<()> {
        self.0.log.check_access(access)
    }
}

fn goes_on(finds: Finds, joins: usize) {
    let record = |i: i64| Record::json(Some("k"), &json!({"kind": format!("k{}", i % 3), "v": i}), i);
    let input = Topics::from([(("in".to_owned(), 0), (0..12).map(record).collect())]);
    let drive = Drive::new(FOLD, input, 1);
    let dir = tempfile::tempdir().unwrap();
    let log = Arc::new(EmbeddedLog::open(dir.path()).unwrap());
    engine::seed(&drive, &*log);
    engine::run(&drive, &log);
    let output = engine::output(&drive, &*log);
    let ([over, cut], polls) = ([false; 2].map(AtomicBool::new), AtomicUsize::new(0));
    let asleep = Arc::new(Asleep { log: log.clone(), finds, over, cut, joined: AtomicUsize::new(0), polls });
    let ended = engine::attempt(&drive, Arc::new(Dream(asleep.clone())));
    assert!(ended.is_ok(), "{ended:?}");
    assert_eq!(asleep.joined.load(SeqCst), joins, "times that it joined the group");
    assert!(asleep.over.load(SeqCst), "it was never awake");
    assert_eq!(engine::output(&drive, &*log), output);
}

#[test]
fn positions_that_others_have_moved_are_no_fault() {
    goes_on(Finds::Positions, 2);
}

#[test]
fn keys_that_others_have_changed_are_no_fault() {
    goes_on(Finds::Keys, 2);
}

#[test]
fn keys_that_went_when_others_closed_windows_by_the_clock_are_no_fault() {
    goes_on(Finds::Clock, 2);
}

#[test]
fn partitions_that_were_taken_back_are_no_fault_whatever_was_found_of_them() {
    goes_on(Finds::Decision, 1);
}
