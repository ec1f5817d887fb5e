//! Zombies that are suspended between their assignment and the restore of their tasks: other instances have
//! committed in the meantime, so what the zombie restores does not fit what it was assigned.
//!
//! A group on the embedded log has one member only, so a proxy of the log presents the outdated view. Nothing sleeps.

use crate::harness::engine;
use crate::harness::forward::{forward_log, forward_positions};
use crate::harness::record::{Record, Topics};
use crate::harness::scenario::{FIXED_NOW_MS, Scenario};
use crate::harness::topics::{append, temp_log};
use crate::harness::wait;
use fastdata::log::embedded::EmbeddedLog;
use fastdata::log::{Committer, FetchLimit, GroupEvent, GroupSpec, Log, LogResult, Member, Reader};
use fastdata::metrics::progress_topic;
use fastdata::record::{Offset, RecordsBuilder, TopicPartition};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

/// A fold; the test adds `delivery`.
const FOLD: &str = "name: p
source: {topic: in, key: kind, schema: {kind: string, v: bigint}}
steps:
  - {name: folded, scan: {by: [kind], init: {n: 0}, next: {n: n + v}}}
sink: {topic: out}
";

const STATE_TOPIC: &str = "p.folded.state";

/// What other instances have done while the zombie was suspended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    /// They committed positions beyond the assigned ones.
    AdvancedPositions,
    /// They deleted a key of the state.
    DeletedKey,
    /// They deleted a key without advancing a position, and wrote newer progress: the wall clock closed a window.
    DeletedKeyByClock,
    /// They committed positions beyond the assigned ones, and the group revokes the zombie's partitions.
    Revocation,
}

#[derive(Debug)]
struct Zombie {
    log: Arc<EmbeddedLog>,
    change: Change,
    /// The zombie has seen the change; from then on it sees the log as it is.
    caught_up: AtomicBool,
    key_deleted: AtomicBool,
    joins: AtomicUsize,
    polls: AtomicUsize,
}

impl Zombie {
    /// Whether the test makes this change and the zombie has not seen it yet.
    fn awaits(&self, change: Change) -> bool {
        self.change == change && !self.caught_up.load(SeqCst)
    }

    /// Appends the key of the changelog's first record, with its value or as a deletion.
    fn append_state(&self, with_value: bool) {
        let at = TopicPartition::new(STATE_TOPIC, 0);
        let mut reader = self.log.reader(&[(at, Offset(0))]).unwrap();
        let first = reader.poll(FetchLimit { records: 1, bytes: 1 }, Duration::ZERO).unwrap().unwrap();
        let mut b = RecordsBuilder::default();
        b.push(Some(first.records.keys.value(0)), with_value.then(|| first.records.values.value(0)), FIXED_NOW_MS);
        append(&*self.log, STATE_TOPIC, 0, b.finish());
    }

    /// Appends the progress of the only task once more, with a later time.
    fn append_newer_progress(&self) {
        let at = TopicPartition::new(progress_topic("p"), 0);
        let mut reader = self.log.reader(&[(at, Offset(0))]).unwrap();
        let mut last = None;
        while let Some(fetched) = reader.poll(FetchLimit::default(), Duration::ZERO).unwrap() {
            let records = &fetched.records;
            let values = (0..records.len()).filter(|r| records.keys.value(*r) == b"0/0");
            last = values.map(|r| records.values.value(r).to_vec()).next_back().or(last);
        }
        let mut progress: serde_json::Value = serde_json::from_slice(&last.unwrap()).unwrap();
        progress["at"] = json!(progress["at"].as_i64().unwrap() + 1);
        let mut b = RecordsBuilder::default();
        b.push(Some(b"0/0"), Some(progress.to_string().as_bytes()), FIXED_NOW_MS);
        append(&*self.log, &progress_topic("p"), 0, b.finish());
    }
}

struct ZombieMember {
    inner: Box<dyn Member>,
    zombie: Arc<Zombie>,
    assigned: Vec<(TopicPartition, Option<Offset>)>,
}

impl Member for ZombieMember {
    forward_positions!(self => self.inner);

    fn poll(&mut self, limit: FetchLimit, wait: Duration) -> LogResult<GroupEvent> {
        let count = self.zombie.polls.fetch_add(1, SeqCst);
        if self.zombie.change == Change::Revocation && count == 1 {
            return Ok(GroupEvent::Revoked(self.assigned.iter().map(|(at, _)| at.clone()).collect()));
        }
        if self.zombie.change == Change::Revocation && count == 2 {
            self.zombie.caught_up.store(true, SeqCst);
            return Ok(GroupEvent::Assigned(self.assigned.clone()));
        }
        let event = self.inner.poll(limit, wait)?;
        let GroupEvent::Assigned(assigned) = event else { return Ok(event) };
        self.assigned = assigned.clone();
        let behind = !self.zombie.caught_up.load(SeqCst)
            && matches!(self.zombie.change, Change::AdvancedPositions | Change::Revocation);
        let outdated = |(at, o): (TopicPartition, Option<Offset>)| (at, o.map(|o| Offset(o.0 - i64::from(behind))));
        Ok(GroupEvent::Assigned(assigned.into_iter().map(outdated).collect()))
    }

    fn seek(&mut self, to: &[(TopicPartition, Offset)]) -> LogResult<()> {
        self.inner.seek(to)
    }

    fn committer(&mut self) -> LogResult<Box<dyn Committer>> {
        self.inner.committer()
    }

    fn leave(self: Box<Self>) -> LogResult<()> {
        self.inner.leave()
    }
}

/// The log as the zombie sees it.
#[derive(Debug)]
struct ZombieLog(Arc<Zombie>);

impl Log for ZombieLog {
    forward_log!(self => self.0.log; appender delete_records record_limits);

    fn reader(&self, from: &[(TopicPartition, Offset)]) -> LogResult<Box<dyn Reader>> {
        let reads = |topic: &str| from.iter().any(|(at, _)| *at.topic == *topic);
        if (self.0.awaits(Change::DeletedKey) || self.0.awaits(Change::DeletedKeyByClock)) && reads(STATE_TOPIC) {
            self.0.append_state(false);
            self.0.key_deleted.store(true, SeqCst);
        }
        if self.0.awaits(Change::DeletedKeyByClock) && self.0.key_deleted.load(SeqCst) && reads(&progress_topic("p")) {
            self.0.append_state(true);
            self.0.append_newer_progress();
            self.0.caught_up.store(true, SeqCst);
        }
        // Before the first poll the topics are only looked at.
        let is_member = self.0.polls.load(SeqCst) > 0;
        if is_member && self.0.awaits(Change::Revocation) && reads(&progress_topic("p")) {
            wait::until("the revocation to be polled", || (self.0.polls.load(SeqCst) > 1).then_some(()));
        }
        self.0.log.reader(from)
    }

    fn committed(&self, group: &str, of: &[TopicPartition]) -> LogResult<Vec<Option<Offset>>> {
        let committed = self.0.log.committed(group, of)?;
        let advance = match self.0.change {
            _ if self.0.caught_up.load(SeqCst) => 0,
            Change::AdvancedPositions => 0,
            Change::DeletedKeyByClock => return Ok(committed),
            Change::DeletedKey => 1,
            Change::Revocation => return Ok(committed.into_iter().map(|o| o.map(|o| Offset(o.0 - 1))).collect()),
        };
        if self.0.awaits(Change::DeletedKey) {
            self.0.append_state(true);
        }
        self.0.caught_up.store(true, SeqCst);
        Ok(committed.into_iter().map(|o| o.map(|o| Offset(o.0 + advance))).collect())
    }

    fn join(&self, group: &GroupSpec) -> LogResult<Box<dyn Member>> {
        self.0.joins.fetch_add(1, SeqCst);
        Ok(Box::new(ZombieMember { inner: self.0.log.join(group)?, zombie: self.0.clone(), assigned: Vec::new() }))
    }
}

/// With each delivery: state, counters and positions belong together in all of them.
fn assert_recovers(change: Change, expected_joins: usize) {
    for delivery in ["exactly_once", "at_least_once", "at_most_once"] {
        assert_recovers_with(delivery, change, expected_joins);
    }
}

fn assert_recovers_with(delivery: &str, change: Change, expected_joins: usize) {
    let record = |i: i64| Record::json(Some("k"), &json!({"kind": format!("k{}", i % 3), "v": i}), i);
    let input = Topics::from([(("in".to_owned(), 0), (0..12).map(record).collect())]);
    let scenario = Scenario::new(
        &format!(
            "{FOLD}delivery: {delivery}
"
        ),
        input,
        1,
    );
    let (log, _dir) = temp_log();
    engine::seed(&scenario, &*log);
    engine::run(&scenario, &log);
    let output = engine::read_outputs(&scenario, &*log);
    let ([caught_up, key_deleted], [joins, polls]) = ([false; 2].map(AtomicBool::new), [0; 2].map(AtomicUsize::new));
    let zombie = Arc::new(Zombie { log: log.clone(), change, caught_up, key_deleted, joins, polls });
    let outcome = engine::try_run(&scenario, Arc::new(ZombieLog(zombie.clone())));
    assert!(outcome.is_ok(), "{delivery}: {outcome:?}");
    assert_eq!(zombie.joins.load(SeqCst), expected_joins, "{delivery}: times that it joined the group");
    assert!(zombie.caught_up.load(SeqCst), "{delivery}: the zombie never saw the change");
    assert_eq!(engine::read_outputs(&scenario, &*log), output, "{delivery}");
}

#[test]
fn advanced_positions_lead_to_a_new_join() {
    assert_recovers(Change::AdvancedPositions, 2);
}

#[test]
fn deleted_keys_lead_to_a_new_join() {
    assert_recovers(Change::DeletedKey, 2);
}

#[test]
fn keys_deleted_by_the_wall_clock_lead_to_a_new_join() {
    assert_recovers(Change::DeletedKeyByClock, 2);
}

#[test]
fn a_revocation_during_restore_leads_to_a_new_assignment_without_a_new_join() {
    assert_recovers(Change::Revocation, 1);
}
