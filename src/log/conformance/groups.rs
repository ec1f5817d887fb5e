//! Cases on groups: joining, positions, transactions and fencing. Exactly-once rests on these.

use super::{Case, Failure, Fixture, Outcome, QUIET_PERIOD, TIMEOUT, TestTopic, check, records, rows, texts};
use crate::log::{
    Append, Delivery, FetchLimit, GroupEvent, GroupSpec, LogError, LogResult, Member, Start, StartOver, TopicConfig,
    Transaction, topic,
};
use crate::record::{Offset, TopicPartition};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

pub(super) const CASES: &[Case] = &[
    Case { name: "a member is assigned its partitions and reads from where it seeks", run: consuming },
    Case { name: "a paused partition returns no records until it is resumed", run: pausing },
    Case { name: "outputs and offsets become visible together", run: committing },
    Case { name: "a failed transaction leaves no trace", run: failed_transaction },
    Case { name: "state and offsets become visible together with every delivery", run: every_delivery },
    Case { name: "a second instance learns who holds the group", run: group_taken },
    Case { name: "a member that has left cannot commit", run: fencing },
    Case { name: "the offsets of a group can be deleted unless it has a live member", run: deleting_offsets },
    Case { name: "a group that starts over loses positions and topics at once or not at all", run: starting_over },
    Case { name: "joining a group with a missing topic fails", run: missing_topic },
    Case { name: "an offset of a deleted topic is refused for its successor", run: replaced_topic },
    Case { name: "an offset that retention has overtaken can be committed", run: overtaken },
    Case { name: "a committed offset that is out of range is an error", run: out_of_range },
];

/// Partitions with their committed offsets.
type AssignedOffsets = Vec<(TopicPartition, Option<Offset>)>;

impl TestTopic<'_> {
    fn spec(&self, instance: &str) -> GroupSpec {
        let topics = vec![self.topic.as_str().into()];
        GroupSpec { group: self.group.clone(), topics, instance: instance.to_owned(), ..GroupSpec::default() }
    }

    /// Joins through another handle; returns the member and its assignment.
    fn join(&self) -> Result<(Box<dyn Member>, AssignedOffsets), Failure> {
        self.join_with(Delivery::default())
    }

    fn join_with(&self, delivery: Delivery) -> Result<(Box<dyn Member>, AssignedOffsets), Failure> {
        let mut member = self.fixture.open().join(&GroupSpec { delivery, ..self.spec("one") })?;
        match event(&mut *member, TIMEOUT)? {
            GroupEvent::Assigned(mut assignment) => {
                assignment.sort();
                Ok((member, assignment))
            }
            other => Err(format!("the first event is {other:?}").into()),
        }
    }
}

fn deleting_offsets(fixture: &dyn Fixture) -> Outcome {
    let s = TestTopic::new(fixture, 1)?;
    s.log.delete_offsets(&s.group, &AtomicBool::new(false))?;
    let (mut member, _) = s.join()?;
    let offsets = vec![(s.at(0), Offset(0))];
    let mut committer = member.committer()?;
    committer.commit(&Transaction { offsets, ..Transaction::default() })?;
    let taken = s.log.delete_offsets(&s.group, &AtomicBool::new(false));
    check!(matches!(taken, Err(LogError::GroupTaken { .. })), "the group has a live member: {taken:?}");
    check!(s.log.committed(&s.group, &[s.at(0)])? == [Some(Offset(0))], "a refused deletion removed an offset");
    drop(committer);
    member.leave()?;
    s.log.delete_offsets(&s.group, &AtomicBool::new(false))?;
    check!(s.log.committed(&s.group, &[s.at(0)])? == [None], "an offset is left after the deletion");
    Ok(())
}

fn starting_over(fixture: &dyn Fixture) -> Outcome {
    let retention = Some(Duration::from_secs(86_400));
    let s = TestTopic::with(fixture, &TopicConfig { partitions: 2, retention, ..TopicConfig::default() })?;
    let own: Arc<str> = format!("{}-own", fixture.prefix()).into();
    s.log.create_topic(&own, &TopicConfig { partitions: 1, ..TopicConfig::default() })?;
    s.append(0, 10, &["a=1"])?;
    let before = topic(&*s.log, &s.topic)?;
    let (deleted, emptied) = ([own.clone()], [before.name.clone()]);
    let all = StartOver { group: &s.group, deleted: &deleted, emptied: &emptied };
    let positions_only = StartOver { emptied: &[], ..all };
    let is_untouched = || {
        let same = topic(&*s.log, &s.topic)?.id == before.id && !s.log.topics(Some(&own))?.is_empty();
        Ok::<bool, Failure>(same && s.log.committed(&s.group, &[s.at(0)])? == [Some(Offset(1))])
    };
    let (mut member, _) = s.join()?;
    let mut committer = member.committer()?;
    committer.commit(&Transaction { offsets: vec![(s.at(0), Offset(1))], ..Transaction::default() })?;
    let taken = s.log.start_over(&positions_only, &AtomicBool::new(false));
    check!(matches!(taken, Err(LogError::GroupTaken { .. })), "the group has a live member: {taken:?}");
    check!(is_untouched()?, "something is gone although the group has a live member");
    drop(committer);
    member.leave()?;
    match s.log.start_over(&all, &AtomicBool::new(false)) {
        Ok(()) => {
            let after = topic(&*s.log, &s.topic)?;
            check!(after.config == before.config && after.id != before.id, "emptied: {before:?}, now {after:?}");
            check!(s.read_all(0)?.is_empty(), "records are left in the emptied topic");
        }
        Err(LogError::InvalidTopic(_)) => check!(is_untouched()?, "something is gone although it was refused"),
        Err(e) => return Err(e.into()),
    }
    s.log.start_over(&positions_only, &AtomicBool::new(false))?;
    check!(s.log.committed(&s.group, &[s.at(0)])? == [None], "a position is left");
    check!(s.log.topics(Some(&own))?.is_empty(), "the topic of the group is left");
    Ok(())
}

/// The next event other than `Idle`; `Idle` when the time is over.
fn event(member: &mut dyn Member, wait: Duration) -> LogResult<GroupEvent> {
    let mut left = wait;
    loop {
        let step = QUIET_PERIOD.min(left);
        match member.poll(FetchLimit::default(), step)? {
            GroupEvent::Idle if !left.is_zero() => left = left.saturating_sub(step),
            other => return Ok(other),
        }
    }
}

fn fetched(member: &mut dyn Member) -> Result<Vec<String>, Failure> {
    match event(member, TIMEOUT)? {
        GroupEvent::Records(fetched) => Ok(texts(&rows(&fetched))),
        other => Err(format!("{other:?} instead of records").into()),
    }
}

fn consuming(fixture: &dyn Fixture) -> Outcome {
    let s = TestTopic::new(fixture, 2)?;
    s.append(0, 0, &["a=1", "b=2", "c=3"])?;
    let (mut member, assignment) = s.join()?;
    check!(assignment == [(s.at(0), None), (s.at(1), None)], "assigned {assignment:?}");
    let idle = event(&mut *member, QUIET_PERIOD)?;
    check!(matches!(idle, GroupEvent::Idle), "{idle:?} before any seek");
    let seek = member.seek(&[(s.at(0), Offset(1)), (s.at(7), Offset(0))]);
    check!(seek.is_err(), "a seek in a partition that is not assigned");
    let idle = event(&mut *member, QUIET_PERIOD)?;
    check!(matches!(idle, GroupEvent::Idle), "{idle:?} after a seek that was refused for another partition");
    member.seek(&[(s.at(0), Offset(1)), (s.at(1), Offset(0))])?;
    let read = fetched(&mut *member)?;
    check!(read == ["b=2", "c=3"], "after a seek to 1: {read:?}");
    s.append(1, 0, &["d=4"])?;
    let read = fetched(&mut *member)?;
    check!(read == ["d=4"], "appended while the member runs: {read:?}");
    member.seek(&[(s.at(0), Offset(0))])?;
    let read = fetched(&mut *member)?;
    check!(read == ["a=1", "b=2", "c=3"], "after a seek back: {read:?}");
    member.leave()?;
    Ok(())
}

/// Retention may remove what was read before it is committed.
fn overtaken(fixture: &dyn Fixture) -> Outcome {
    let s = TestTopic::new(fixture, 1)?;
    s.append(0, 0, &["a=1", "b=2", "c=3"])?;
    let (mut member, _) = s.join()?;
    member.seek(&[(s.at(0), Offset(0))])?;
    fetched(&mut *member)?;
    s.append(0, 0, &["d=4"])?;
    let end = s.log.resolve(&s.at(0), Start::Latest)?;
    s.log.delete_records(&[(s.at(0), end)])?;
    let mut committer = member.committer()?;
    committer.commit(&Transaction { offsets: vec![(s.at(0), Offset(3))], ..Transaction::default() })?;
    drop(committer);
    member.leave()?;
    let committed = s.log.committed(&s.group, &[s.at(0)])?;
    check!(committed == [Some(Offset(3))], "a position before the first record: {committed:?}");
    Ok(())
}

fn pausing(fixture: &dyn Fixture) -> Outcome {
    let s = TestTopic::new(fixture, 2)?;
    let (mut member, _) = s.join()?;
    member.seek(&[(s.at(0), Offset(0)), (s.at(1), Offset(0))])?;
    member.pause(&[s.at(0)], true)?;
    s.append(0, 0, &["a=1"])?;
    let idle = event(&mut *member, QUIET_PERIOD)?;
    check!(matches!(idle, GroupEvent::Idle), "{idle:?} of a paused partition");
    s.append(1, 0, &["b=2"])?;
    let read = fetched(&mut *member)?;
    check!(read == ["b=2"], "of the partition that is not paused: {read:?}");
    member.pause(&[s.at(0)], false)?;
    let read = fetched(&mut *member)?;
    check!(read == ["a=1"], "after resuming: {read:?}");
    member.leave()?;
    Ok(())
}

fn committing(fixture: &dyn Fixture) -> Outcome {
    let s = TestTopic::new(fixture, 2)?;
    let out = format!("{}-out", fixture.prefix());
    s.log.create_topic(&out, &TopicConfig { partitions: 1, ..TopicConfig::default() })?;
    let to = TopicPartition::new(out.as_str(), 0);
    s.append(0, 0, &["a=1", "b=2"])?;
    let (mut member, _) = s.join()?;
    member.seek(&[(s.at(0), Offset(0))])?;
    fetched(&mut *member)?;
    let mut committer = member.committer()?;
    committer.commit(&Transaction {
        results: vec![
            Append { to: to.clone(), records: records(0, &["x=1"]) },
            Append { to: to.clone(), records: records(0, &["y=2"]) },
        ],
        offsets: vec![(s.at(0), Offset(2))],
        ..Transaction::default()
    })?;
    let other = fixture.open();
    let end = other.resolve(&to, Start::Latest)?;
    let read = super::read_to(&mut *other.reader(&[(to.clone(), Offset(0))])?, end)?;
    check!(texts(&read) == ["x=1", "y=2"], "outputs: {:?}", texts(&read));
    let committed = other.committed(&s.group, &[s.at(0), s.at(1)])?;
    check!(committed == [Some(Offset(2)), None], "offsets: {committed:?}");
    let none = other.committed(&format!("{}-other", s.group), &[s.at(0)])?;
    check!(none == [None], "offsets of a group that does not exist: {none:?}");
    committer.commit(&Transaction { offsets: vec![(s.at(0), Offset(1))], ..Transaction::default() })?;
    drop(committer);
    member.leave()?;
    let (member, assignment) = s.join()?;
    check!(assignment == [(s.at(0), Some(Offset(1))), (s.at(1), None)], "assigned after a restart: {assignment:?}");
    member.leave()?;
    Ok(())
}

fn failed_transaction(fixture: &dyn Fixture) -> Outcome {
    let s = TestTopic::new(fixture, 1)?;
    s.append(0, 0, &["a=1"])?;
    let before = s.read_all(0)?.len();
    let (mut member, _) = s.join()?;
    let mut committer = member.committer()?;
    let good = Append { to: s.at(0), records: records(0, &["x=1"]) };
    let bad = Append { to: s.at(9), records: records(0, &["y=2"]) };
    let done = committer.commit(&Transaction {
        results: vec![good.clone(), bad],
        offsets: vec![(s.at(0), Offset(1))],
        ..Transaction::default()
    });
    check!(done.is_err(), "committed an output to partition 9 of one");
    check!(s.read_all(0)?.len() == before, "an output of a failed transaction is visible");
    let committed = s.log.committed(&s.group, &[s.at(0)])?;
    check!(committed == [None], "an offset of a failed transaction is visible: {committed:?}");
    committer.commit(&Transaction {
        results: vec![good],
        offsets: vec![(s.at(0), Offset(1))],
        ..Transaction::default()
    })?;
    check!(s.read_all(0)?.len() == before + 1, "the next transaction is not complete");
    drop(committer);
    member.leave()?;
    Ok(())
}

fn every_delivery(fixture: &dyn Fixture) -> Outcome {
    let s = TestTopic::new(fixture, 1)?;
    s.append(0, 0, &["a=1"])?;
    let state_topic = format!("{}-state", fixture.prefix());
    s.log.create_topic(&state_topic, &TopicConfig { partitions: 1, compacted: true, ..TopicConfig::default() })?;
    let at = TopicPartition::new(state_topic.as_str(), 0);
    let row = |to: &TopicPartition, text: &str| Append { to: to.clone(), records: records(0, &[text]) };
    let all = || super::read_to(&mut *s.log.reader(&[(at.clone(), Offset(0))])?, s.log.resolve(&at, Start::Latest)?);
    let mut expected = Vec::new();
    for (i, delivery) in [Delivery::ExactlyOnce, Delivery::AtLeastOnce, Delivery::AtMostOnce].into_iter().enumerate() {
        let (mut member, assignment) = s.join_with(delivery)?;
        check!(assignment == [(s.at(0), expected.last().map(|_| Offset(1)))], "{delivery:?}: assigned {assignment:?}");
        let mut committer = member.committer()?;
        let (results, offsets) = (vec![row(&s.at(0), "x=1")], vec![(s.at(0), Offset(0))]);
        let state = vec![row(&at, "lost=1"), row(&TopicPartition::new(state_topic.as_str(), 9), "lost=2")];
        let failed = committer.commit(&Transaction { results: results.clone(), state, offsets });
        check!(failed.is_err(), "{delivery:?}: committed state to partition 9 of one");
        check!(texts(&all()?) == expected, "{delivery:?}: state of a failed commit: {:?}", texts(&all()?));
        let committed = s.log.committed(&s.group, &[s.at(0)])?;
        check!(committed == [assignment[0].1], "{delivery:?}: an offset of a failed commit: {committed:?}");
        let text = format!("k{i}={i}");
        let (state, offsets) = (vec![row(&at, &text)], vec![(s.at(0), Offset(1))]);
        let firsts = committer.commit(&Transaction { results, state, offsets })?;
        expected.push(text);
        let read = all()?;
        check!(texts(&read) == expected, "{delivery:?}: state: {:?}", texts(&read));
        let offset = read.last().map(|r| Offset(r.offset));
        check!(firsts == [offset], "{delivery:?}: the first offset of the state is {offset:?}, not {firsts:?}");
        let committed = s.log.committed(&s.group, &[s.at(0)])?;
        check!(committed == [Some(Offset(1))], "{delivery:?}: offsets: {committed:?}");
        drop(committer);
        member.leave()?;
    }
    Ok(())
}

fn group_taken(fixture: &dyn Fixture) -> Outcome {
    if !fixture.exclusive() {
        return Ok(());
    }
    let s = TestTopic::new(fixture, 1)?;
    let (member, _) = s.join()?;
    match fixture.open().join(&s.spec("two")) {
        Err(LogError::GroupTaken { group, holder }) => {
            check!(group == s.group && holder.contains("one"), "`{group}` is held by {holder}");
        }
        other => return Err(format!("joined twice: {:?}", other.err()).into()),
    }
    let mut other = s.spec("two");
    other.group.push_str("-2");
    s.log.join(&other)?.leave()?;
    drop(member);
    let (member, _) = s.join()?;
    member.leave()?;
    Ok(())
}

fn fencing(fixture: &dyn Fixture) -> Outcome {
    let s = TestTopic::new(fixture, 1)?;
    let (mut member, _) = s.join()?;
    let mut committer = member.committer()?;
    check!(member.committer().is_err(), "a second committer was returned");
    member.leave()?;
    let transaction = Transaction {
        results: vec![Append { to: s.at(0), records: records(0, &["x=1"]) }],
        offsets: vec![],
        ..Transaction::default()
    };
    if fixture.exclusive() {
        let done = committer.commit(&transaction);
        check!(matches!(done, Err(LogError::Fenced { .. })), "committed after leaving: {done:?}");
    }
    let (mut second, _) = s.join()?;
    let mut current = second.committer()?;
    current.commit(&Transaction { offsets: vec![(s.at(0), Offset(0))], ..Transaction::default() })?;
    let done = committer.commit(&transaction);
    check!(done.is_err(), "committed after another instance took over");
    check!(s.read_all(0)?.is_empty(), "an output of the old instance is visible");
    second.leave()?;
    Ok(())
}

fn missing_topic(fixture: &dyn Fixture) -> Outcome {
    let s = TestTopic::new(fixture, 1)?;
    let mut spec = s.spec("one");
    spec.topics.push(format!("{}-none", fixture.prefix()).into());
    let joined = s.log.join(&spec).and_then(|mut m| m.poll(FetchLimit::default(), TIMEOUT));
    check!(matches!(joined, Err(LogError::UnknownTopic { .. })), "joined: {joined:?}");
    let (member, _) = s.join()?;
    member.leave()?;
    Ok(())
}

fn replaced_topic(fixture: &dyn Fixture) -> Outcome {
    let s = TestTopic::new(fixture, 1)?;
    s.append(0, 0, &["a=1", "b=2"])?;
    let (mut member, _) = s.join()?;
    let mut committer = member.committer()?;
    committer.commit(&Transaction { offsets: vec![(s.at(0), Offset(1))], ..Transaction::default() })?;
    s.log.delete_topic(&s.topic)?;
    let polled = event(&mut *member, TIMEOUT);
    check!(matches!(polled, Err(LogError::UnknownTopic { .. })), "the topic of a member was deleted: {polled:?}");
    s.log.create_topic(&s.topic, &TopicConfig { partitions: 1, ..TopicConfig::default() })?;
    let done = committer.commit(&Transaction { offsets: vec![(s.at(0), Offset(0))], ..Transaction::default() });
    check!(done.is_err(), "committed an offset of the old topic to the new one");
    drop(committer);
    drop(member);
    s.append(0, 0, &["c=1", "d=2", "e=3"])?;
    let (mut member, assignment) = s.join()?;
    if let [(at, Some(old))] = assignment.as_slice() {
        let sought = member.seek(&[(at.clone(), *old)]).and_then(|()| event(&mut *member, TIMEOUT).map(|_| ()));
        check!(
            matches!(sought, Err(LogError::TopicReplaced { .. })),
            "read from an offset of the old topic: {sought:?}"
        );
    }
    member.seek(&[(s.at(0), s.log.resolve(&s.at(0), Start::Earliest)?)])?;
    let read = fetched(&mut *member)?;
    check!(read == ["c=1", "d=2", "e=3"], "from the beginning of the new topic: {read:?}");
    member.leave()?;
    Ok(())
}

fn out_of_range(fixture: &dyn Fixture) -> Outcome {
    let s = TestTopic::new(fixture, 1)?;
    s.append(0, 0, &["a=1"])?;
    let (mut member, _) = s.join()?;
    let sought = member.seek(&[(s.at(0), Offset(100))]).and_then(|()| event(&mut *member, TIMEOUT).map(|_| ()));
    check!(matches!(sought, Err(LogError::OffsetOutOfRange { .. })), "read from 100 of one record: {sought:?}");
    member.leave()?;
    Ok(())
}
