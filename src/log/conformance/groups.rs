//! Cases on groups: joining, positions, transactions, and who may commit.
//!
//! Separate because this is what exactly-once rests on.

use super::{Case, Fixture, Outcome, PATIENCE, SHORT, Stage, check, records, rows, texts};
use crate::log::{
    Append, FetchLimit, GroupEvent, GroupSpec, LogError, LogResult, Member, Start, TopicConfig, Transaction,
};
use crate::record::{Offset, TopicPartition};
use std::error::Error;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

pub(super) const CASES: &[Case] = &[
    Case { name: "a member is told its partitions and reads where it seeks", run: consuming },
    Case { name: "a paused partition gives nothing until it is resumed", run: pausing },
    Case { name: "outputs and offsets become visible together", run: commits },
    Case { name: "a transaction that fails leaves no trace", run: failing },
    Case { name: "a second instance is told who runs", run: taken },
    Case { name: "a member that has left cannot commit", run: fenced },
    Case { name: "what a group has committed is thrown away, but not while somebody is at work", run: forgetting },
    Case { name: "a group of a missing topic is refused", run: missing },
    Case { name: "an offset of a topic that was made anew is refused", run: replaced },
    Case { name: "a committed offset that is out of range is an error", run: out_of_range },
];

impl Stage<'_> {
    fn spec(&self, instance: &str) -> GroupSpec {
        let topics = vec![self.topic.as_str().into()];
        GroupSpec { group: self.group.clone(), topics, instance: instance.to_owned(), ..GroupSpec::default() }
    }

    /// A member of another process and what it was told first.
    #[expect(clippy::type_complexity, reason = "the second half is what the event holds")]
    fn join(&self) -> Result<(Box<dyn Member>, Vec<(TopicPartition, Option<Offset>)>), Box<dyn Error + Send + Sync>> {
        let mut member = self.fixture.open().join(&self.spec("one"))?;
        match event(&mut *member, PATIENCE)? {
            GroupEvent::Assigned(mut told) => {
                told.sort();
                Ok((member, told))
            }
            other => Err(format!("the first event is {other:?}").into()),
        }
    }
}

fn forgetting(fixture: &dyn Fixture) -> Outcome {
    let s = Stage::new(fixture, 1)?;
    s.log.delete_offsets(&s.group, &AtomicBool::new(false))?;
    let (mut member, _) = s.join()?;
    let offsets = vec![(s.at(0), Offset(0))];
    let mut committer = member.committer()?;
    committer.commit(&Transaction { offsets, ..Transaction::default() })?;
    let taken = s.log.delete_offsets(&s.group, &AtomicBool::new(false));
    check!(matches!(taken, Err(LogError::GroupTaken { .. })), "somebody is at work: {taken:?}");
    check!(s.log.committed(&s.group, &[s.at(0)])? == [Some(Offset(0))], "and what was committed is there");
    drop(committer);
    member.leave()?;
    s.log.delete_offsets(&s.group, &AtomicBool::new(false))?;
    check!(s.log.committed(&s.group, &[s.at(0)])? == [None], "nothing is left of it");
    Ok(())
}

/// The next event that is not idle, or idle when the time is over.
fn event(member: &mut dyn Member, wait: Duration) -> LogResult<GroupEvent> {
    let mut left = wait;
    loop {
        let step = SHORT.min(left);
        match member.poll(FetchLimit::default(), step)? {
            GroupEvent::Idle if !left.is_zero() => left = left.saturating_sub(step),
            other => return Ok(other),
        }
    }
}

fn fetched(member: &mut dyn Member) -> Result<Vec<String>, Box<dyn Error + Send + Sync>> {
    match event(member, PATIENCE)? {
        GroupEvent::Records(fetched) => Ok(texts(&rows(&fetched))),
        other => Err(format!("{other:?} instead of records").into()),
    }
}

fn consuming(fixture: &dyn Fixture) -> Outcome {
    let s = Stage::new(fixture, 2)?;
    s.append(0, 0, &["a=1", "b=2", "c=3"])?;
    let (mut member, told) = s.join()?;
    check!(told == [(s.at(0), None), (s.at(1), None)], "told {told:?}");
    let idle = event(&mut *member, SHORT)?;
    check!(matches!(idle, GroupEvent::Idle), "{idle:?} before any seek");
    member.seek(&s.at(0), Offset(1))?;
    member.seek(&s.at(1), Offset(0))?;
    let read = fetched(&mut *member)?;
    check!(read == ["b=2", "c=3"], "after a seek to 1: {read:?}");
    s.append(1, 0, &["d=4"])?;
    let read = fetched(&mut *member)?;
    check!(read == ["d=4"], "appended while the member runs: {read:?}");
    member.seek(&s.at(0), Offset(0))?;
    let read = fetched(&mut *member)?;
    check!(read == ["a=1", "b=2", "c=3"], "after a seek back: {read:?}");
    let seek = member.seek(&s.at(7), Offset(0));
    check!(seek.is_err(), "a seek in a partition that is not assigned");
    member.leave()?;
    Ok(())
}

fn pausing(fixture: &dyn Fixture) -> Outcome {
    let s = Stage::new(fixture, 2)?;
    let (mut member, _) = s.join()?;
    member.seek(&s.at(0), Offset(0))?;
    member.seek(&s.at(1), Offset(0))?;
    member.pause(&[s.at(0)], true)?;
    s.append(0, 0, &["a=1"])?;
    let idle = event(&mut *member, SHORT)?;
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

fn commits(fixture: &dyn Fixture) -> Outcome {
    let s = Stage::new(fixture, 2)?;
    let out = format!("{}-out", fixture.prefix());
    s.log.create_topic(&out, &TopicConfig { partitions: 1, ..TopicConfig::default() })?;
    let to = TopicPartition::new(out.as_str(), 0);
    s.append(0, 0, &["a=1", "b=2"])?;
    let (mut member, _) = s.join()?;
    member.seek(&s.at(0), Offset(0))?;
    fetched(&mut *member)?;
    let mut committer = member.committer()?;
    committer.commit(&Transaction {
        flush_points: Vec::new(),
        appends: vec![
            Append { to: to.clone(), records: records(0, &["x=1"]) },
            Append { to: to.clone(), records: records(0, &["y=2"]) },
        ],
        offsets: vec![(s.at(0), Offset(2))],
    })?;
    let other = fixture.open();
    let end = other.resolve(&to, Start::Latest)?;
    let read = super::drain(&mut *other.reader(&[(to.clone(), Offset(0))])?, end)?;
    check!(texts(&read) == ["x=1", "y=2"], "outputs: {:?}", texts(&read));
    let held = other.committed(&s.group, &[s.at(0), s.at(1)])?;
    check!(held == [Some(Offset(2)), None], "offsets: {held:?}");
    let none = other.committed(&format!("{}-other", s.group), &[s.at(0)])?;
    check!(none == [None], "offsets of a group that never was: {none:?}");
    committer.commit(&Transaction {
        flush_points: Vec::new(),
        appends: Vec::new(),
        offsets: vec![(s.at(0), Offset(1))],
    })?;
    drop(committer);
    member.leave()?;
    let (member, told) = s.join()?;
    check!(told == [(s.at(0), Some(Offset(1))), (s.at(1), None)], "told after a restart: {told:?}");
    member.leave()?;
    Ok(())
}

fn failing(fixture: &dyn Fixture) -> Outcome {
    let s = Stage::new(fixture, 1)?;
    s.append(0, 0, &["a=1"])?;
    let before = s.read_all(0)?.len();
    let (mut member, _) = s.join()?;
    let mut committer = member.committer()?;
    let good = Append { to: s.at(0), records: records(0, &["x=1"]) };
    let bad = Append { to: s.at(9), records: records(0, &["y=2"]) };
    let done = committer.commit(&Transaction {
        flush_points: Vec::new(),
        appends: vec![good.clone(), bad],
        offsets: vec![(s.at(0), Offset(1))],
    });
    check!(done.is_err(), "committed an output to partition 9 of one");
    check!(s.read_all(0)?.len() == before, "the output of a failed transaction is there");
    let held = s.log.committed(&s.group, &[s.at(0)])?;
    check!(held == [None], "the offset of a failed transaction is there: {held:?}");
    committer.commit(&Transaction {
        flush_points: Vec::new(),
        appends: vec![good],
        offsets: vec![(s.at(0), Offset(1))],
    })?;
    check!(s.read_all(0)?.len() == before + 1, "the next transaction is not complete");
    drop(committer);
    member.leave()?;
    Ok(())
}

fn taken(fixture: &dyn Fixture) -> Outcome {
    if !fixture.exclusive() {
        return Ok(());
    }
    let s = Stage::new(fixture, 1)?;
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

fn fenced(fixture: &dyn Fixture) -> Outcome {
    let s = Stage::new(fixture, 1)?;
    let (mut member, _) = s.join()?;
    let mut committer = member.committer()?;
    check!(member.committer().is_err(), "a second committing half was given out");
    member.leave()?;
    let stale = Transaction {
        flush_points: Vec::new(),
        appends: vec![Append { to: s.at(0), records: records(0, &["x=1"]) }],
        offsets: vec![],
    };
    if fixture.exclusive() {
        let done = committer.commit(&stale);
        check!(matches!(done, Err(LogError::Fenced { .. })), "committed after leaving: {done:?}");
    }
    let (mut second, _) = s.join()?;
    let mut now = second.committer()?;
    now.commit(&Transaction { flush_points: Vec::new(), appends: Vec::new(), offsets: vec![(s.at(0), Offset(0))] })?;
    let done = committer.commit(&stale);
    check!(done.is_err(), "committed after another instance took over");
    check!(s.read_all(0)?.is_empty(), "an output of the old instance is there");
    second.leave()?;
    Ok(())
}

fn missing(fixture: &dyn Fixture) -> Outcome {
    let s = Stage::new(fixture, 1)?;
    let mut spec = s.spec("one");
    spec.topics.push(format!("{}-none", fixture.prefix()).into());
    let joined = s.log.join(&spec).and_then(|mut m| m.poll(FetchLimit::default(), PATIENCE));
    check!(matches!(joined, Err(LogError::UnknownTopic { .. })), "joined: {joined:?}");
    let (member, _) = s.join()?;
    member.leave()?;
    Ok(())
}

fn replaced(fixture: &dyn Fixture) -> Outcome {
    let s = Stage::new(fixture, 1)?;
    s.append(0, 0, &["a=1", "b=2"])?;
    let (mut member, _) = s.join()?;
    let mut committer = member.committer()?;
    committer.commit(&Transaction {
        flush_points: Vec::new(),
        appends: Vec::new(),
        offsets: vec![(s.at(0), Offset(1))],
    })?;
    s.log.delete_topic(&s.topic)?;
    let polled = event(&mut *member, PATIENCE);
    check!(matches!(polled, Err(LogError::UnknownTopic { .. })), "the topic went away under a member: {polled:?}");
    s.log.create_topic(&s.topic, &TopicConfig { partitions: 1, ..TopicConfig::default() })?;
    let done = committer.commit(&Transaction {
        flush_points: Vec::new(),
        appends: Vec::new(),
        offsets: vec![(s.at(0), Offset(0))],
    });
    check!(done.is_err(), "committed an offset of the old topic to the new one");
    drop(committer);
    drop(member);
    s.append(0, 0, &["c=1", "d=2", "e=3"])?;
    let (mut member, told) = s.join()?;
    if let [(at, Some(old))] = told.as_slice() {
        let sought = member.seek(at, *old).and_then(|()| event(&mut *member, PATIENCE).map(|_| ()));
        check!(
            matches!(sought, Err(LogError::TopicReplaced { .. })),
            "read from an offset of the old topic: {sought:?}"
        );
    }
    member.seek(&s.at(0), s.log.resolve(&s.at(0), Start::Earliest)?)?;
    let read = fetched(&mut *member)?;
    check!(read == ["c=1", "d=2", "e=3"], "starting over: {read:?}");
    member.leave()?;
    Ok(())
}

fn out_of_range(fixture: &dyn Fixture) -> Outcome {
    let s = Stage::new(fixture, 1)?;
    s.append(0, 0, &["a=1"])?;
    let (mut member, _) = s.join()?;
    let sought = member.seek(&s.at(0), Offset(100)).and_then(|()| event(&mut *member, PATIENCE).map(|_| ()));
    check!(matches!(sought, Err(LogError::OffsetOutOfRange { .. })), "read from 100 of one record: {sought:?}");
    member.leave()?;
    Ok(())
}
