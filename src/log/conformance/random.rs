//! Random operations on a backplane, compared with a naive model at every step.
//!
//! It finds defects that no case was written for. The model keeps a list of records for each partition and
//! shares no code with a backplane.

use super::{Case, Failure, Fixture, Outcome, Row, TIMEOUT, TestTopic, check, rows};
use crate::log::{
    Append, Appender, Committer, FetchLimit, GroupEvent, GroupSpec, Member, Reader, Start, TopicConfig, Transaction,
};
use crate::record::{Offset, RecordsBuilder, TopicPartition};
use rand_pcg::Pcg32;
use rand_pcg::rand_core::{Rng, SeedableRng};

pub(super) const CASES: &[Case] =
    &[Case { name: "random appends, commits and reads agree with a model", run: random_operations }];

const PARTITIONS: usize = 3;
const STEPS: usize = 150;

struct Model {
    random: Pcg32,
    partitions: [Vec<Row>; PARTITIONS],
    clock: i64,
}

impl Model {
    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.random.next_u32()).unwrap_or(0) % n.max(1)
    }

    fn bytes(&mut self, max_len: usize) -> Option<Vec<u8>> {
        let len = self.below(max_len);
        (self.below(4) > 0).then(|| (0..len).map(|i| u8::try_from(i % 251).unwrap_or(0)).collect())
    }

    /// Makes records for one partition and adds them to the model.
    fn append(&mut self, topic: &str) -> Append {
        let p = self.below(PARTITIONS);
        let max_records = if self.below(10) == 0 { 9000 } else { 6 };
        let mut b = RecordsBuilder::default();
        let without_headers = self.below(2) == 0;
        for _ in 0..=self.below(max_records) {
            let (key, value, name) = (self.bytes(20), self.bytes(90), "n".repeat(self.below(3)));
            self.clock += i64::try_from(self.below(3)).unwrap_or(0);
            let header = self.bytes(5);
            let headers = if without_headers { Vec::new() } else { vec![(name.clone(), header.clone())] };
            let borrowed: Vec<(&str, Option<&[u8]>)> =
                headers.iter().map(|(n, v)| (n.as_str(), v.as_deref())).collect();
            b.push_with(key.as_deref(), value.as_deref(), self.clock, &borrowed);
            self.partitions[p].push(Row { offset: 0, time: self.clock, key, value, headers });
        }
        let to = TopicPartition::new(topic, u32::try_from(p).unwrap_or(0));
        Append { to, records: b.finish() }
    }
}

fn random_operations(fixture: &dyn Fixture) -> Outcome {
    let s = TestTopic::new(fixture, 3)?;
    let input = TopicPartition::new(format!("{}-offsets", fixture.prefix()), 0);
    let mut member = join(&s, &input)?;
    let mut run = RandomRun {
        model: Model { random: Pcg32::seed_from_u64(7), partitions: Default::default(), clock: 0 },
        appender: s.log.appender()?,
        committer: member.committer()?,
        committed: None,
        tail: fixture.open().reader(&[0, 1, 2].map(|p| (s.at(p), Offset(0))))?,
        tailed: Default::default(),
        input,
    };
    for step in 0..STEPS {
        run.write(&s).map_err(|e| format!("step {step}: {e}"))?;
        run.follow().map_err(|e| format!("step {step}: {e}"))?;
        let found = s.log.committed(&s.group, std::slice::from_ref(&run.input))?;
        check!(found == [run.committed], "step {step}: committed {:?}, the log has {found:?}", run.committed);
    }
    run.compare(&s)?;
    drop(run);
    member.leave()?;
    Ok(())
}

/// A member of the group that consumes a new topic of 1,000 records.
fn join(s: &TestTopic<'_>, input: &TopicPartition) -> Result<Box<dyn Member>, Failure> {
    s.log.create_topic(&input.topic, &TopicConfig { partitions: 1, ..TopicConfig::default() })?;
    let records = super::records(0, &["a=1"; 1000]);
    s.log.appender()?.append(&[Append { to: input.clone(), records }])?;
    let spec = GroupSpec {
        group: s.group.clone(),
        topics: vec![input.topic.clone()],
        instance: "random".to_owned(),
        ..GroupSpec::default()
    };
    let mut member = s.log.join(&spec)?;
    while !matches!(member.poll(FetchLimit::default(), TIMEOUT)?, GroupEvent::Assigned(_)) {}
    Ok(member)
}

/// Handles on the backplane, and the model of its contents.
struct RandomRun {
    model: Model,
    input: TopicPartition,
    appender: Box<dyn Appender>,
    committer: Box<dyn Committer>,
    committed: Option<Offset>,
    tail: Box<dyn Reader>,
    /// What the tail has read of each partition.
    tailed: [Vec<Row>; PARTITIONS],
}

impl RandomRun {
    /// Appends records, in a transaction or not; now and then in a transaction that must fail.
    fn write(&mut self, s: &TestTopic<'_>) -> Outcome {
        let before = self.model.partitions.clone();
        let mut appends: Vec<Append> = (0..self.model.below(4)).map(|_| self.model.append(&s.topic)).collect();
        match self.model.below(5) {
            0 => {
                let next = Offset(i64::try_from(self.model.below(1000)).unwrap_or(0));
                let offsets = vec![(self.input.clone(), next)];
                let state = appends.split_off(appends.len() / 2);
                self.committer.commit(&Transaction { results: appends, state, offsets })?;
                self.committed = Some(next);
            }
            1 => {
                appends.push(Append { to: s.at(99), records: super::records(0, &["a=1"]) });
                let offsets = vec![(self.input.clone(), Offset(1))];
                let state = appends.split_off(appends.len() / 2);
                let failed = self.committer.commit(&Transaction { results: appends, state, offsets });
                check!(failed.is_err(), "committed an output to partition 99");
                self.model.partitions = before;
            }
            _ => {
                self.appender.append(&appends)?;
            }
        }
        Ok(())
    }

    /// Reads some of the records that the tail has not read yet.
    fn follow(&mut self) -> Outcome {
        let limit = FetchLimit { records: 1 + self.model.below(500), bytes: 1 + self.model.below(20_000) };
        for _ in 0..self.model.below(8) {
            if self.tailed.iter().zip(&self.model.partitions).all(|(tailed, all)| tailed.len() == all.len()) {
                break;
            }
            let fetched = super::poll_until(&mut *self.tail, limit, TIMEOUT)?;
            let fetched = fetched.ok_or("a reader that is behind got no records")?;
            check!(fetched.offsets.len() <= limit.records, "more records than the limit");
            self.tailed[usize::try_from(fetched.origin.partition.0)?].extend(rows(&fetched));
        }
        Ok(())
    }

    /// Compares each partition with the model: all of it, what the tail has read, and from a time on.
    fn compare(&self, s: &TestTopic<'_>) -> Outcome {
        for (p, (expected, tailed)) in (0u32..).zip(self.model.partitions.iter().zip(&self.tailed)) {
            let read = s.read_all(p)?;
            check!(same(&read, expected), "partition {p}: {} records, the model has {}", read.len(), expected.len());
            check!(same(tailed, &expected[..tailed.len()]), "partition {p}: the tail read other records");
            let time = expected.get(expected.len() / 2).map_or(0, |r| r.time);
            let found = s.read(p, s.log.resolve(&s.at(p), Start::Time(time))?)?;
            let first = expected.iter().position(|r| r.time >= time).unwrap_or(expected.len());
            check!(same(&found, &expected[first..]), "partition {p}: from time {time}");
        }
        Ok(())
    }
}

/// Whether the records are the same apart from their offsets, which the model does not have.
fn same(read: &[Row], expected: &[Row]) -> bool {
    let plain = |r: &Row| Row { offset: 0, ..r.clone() };
    read.len() == expected.len() && read.iter().zip(expected).all(|(r, e)| plain(r) == *e)
}
