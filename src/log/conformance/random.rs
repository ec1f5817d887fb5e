//! Random work on a backplane beside a naive model of it: the same answers at every step.
//!
//! Separate because it finds what no case was written for. The model is a list of records a partition
//! and shares nothing with any backplane.

use super::{Case, Fixture, Outcome, PATIENCE, Row, Stage, check, rows};
use crate::log::{Append, FetchLimit, GroupEvent, GroupSpec, Start, TopicConfig, Transaction};
use crate::record::{Offset, RecordsBuilder, TopicPartition};
use rand_pcg::Pcg32;
use rand_pcg::rand_core::{Rng, SeedableRng};

pub(super) const CASES: &[Case] = &[Case { name: "random appends, commits and reads agree with a model", run: agree }];

const PARTITIONS: usize = 3;
const STEPS: usize = 150;

struct Model {
    random: Pcg32,
    held: [Vec<Row>; PARTITIONS],
    clock: i64,
}

impl Model {
    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.random.next_u32()).unwrap_or(0) % n.max(1)
    }

    fn bytes(&mut self, longest: usize) -> Option<Vec<u8>> {
        let len = self.below(longest);
        (self.below(4) > 0).then(|| (0..len).map(|i| u8::try_from(i % 251).unwrap_or(0)).collect())
    }

    /// Some records for one partition, which the model already holds when they are returned.
    fn append(&mut self, topic: &str) -> (usize, Append) {
        let p = self.below(PARTITIONS);
        let most = if self.below(10) == 0 { 9000 } else { 6 };
        let mut b = RecordsBuilder::default();
        let plain = self.below(2) == 0;
        for _ in 0..=self.below(most) {
            let (key, value, name) = (self.bytes(20), self.bytes(90), "n".repeat(self.below(3)));
            self.clock += i64::try_from(self.below(3)).unwrap_or(0);
            let header = self.bytes(5);
            let headers = if plain { Vec::new() } else { vec![(name.clone(), header.clone())] };
            let borrowed: Vec<(&str, Option<&[u8]>)> =
                headers.iter().map(|(n, v)| (n.as_str(), v.as_deref())).collect();
            b.push_with(key.as_deref(), value.as_deref(), self.clock, &borrowed);
            self.held[p].push(Row { offset: 0, time: self.clock, key, value, headers });
        }
        let to = TopicPartition::new(topic, u32::try_from(p).unwrap_or(0));
        (p, Append { to, records: b.finish() })
    }
}

fn agree(fixture: &dyn Fixture) -> Outcome {
    let s = Stage::new(fixture, 3)?;
    let inputs = format!("{}-offsets", fixture.prefix());
    s.log.create_topic(&inputs, &TopicConfig { partitions: 1, ..TopicConfig::default() })?;
    let input = TopicPartition::new(inputs.as_str(), 0);
    let feed = Append { to: input.clone(), records: super::records(0, &["a=1"; 1000]) };
    s.log.appender()?.append(&[feed])?;
    let spec = GroupSpec {
        group: s.group.clone(),
        topics: vec![inputs.as_str().into()],
        instance: "random".to_owned(),
        ..GroupSpec::default()
    };
    let mut member = s.log.join(&spec)?;
    while !matches!(member.poll(FetchLimit::default(), PATIENCE)?, GroupEvent::Assigned(_)) {}
    let mut committer = member.committer()?;

    let mut model = Model { random: Pcg32::seed_from_u64(7), held: Default::default(), clock: 0 };
    let mut appender = s.log.appender()?;
    let mut committed = None;
    let from: Vec<_> = (0..3).map(|p| (s.at(p), Offset(0))).collect();
    let mut tail = fixture.open().reader(&from)?;
    let mut tailed: [Vec<Row>; PARTITIONS] = Default::default();
    for step in 0..STEPS {
        let before = model.held.clone();
        let appends: Vec<Append> = (0..model.below(4)).map(|_| model.append(&s.topic).1).collect();
        match model.below(5) {
            0 => {
                let next = i64::try_from(model.below(1000)).unwrap_or(0);
                let offsets = vec![(input.clone(), Offset(next))];
                committer.commit(&Transaction { flush_points: Vec::new(), appends, offsets })?;
                committed = Some(Offset(next));
            }
            1 => {
                let mut appends = appends;
                appends.push(Append { to: s.at(99), records: super::records(0, &["a=1"]) });
                let offsets = vec![(input.clone(), Offset(1))];
                check!(
                    committer.commit(&Transaction { flush_points: Vec::new(), appends, offsets }).is_err(),
                    "step {step}: committed to 99"
                );
                model.held = before;
            }
            _ => {
                appender.append(&appends)?;
            }
        }
        let limit = FetchLimit { records: 1 + model.below(500), bytes: 1 + model.below(20_000) };
        for _ in 0..model.below(8) {
            if tailed.iter().zip(&model.held).all(|(t, h)| t.len() == h.len()) {
                break;
            }
            let fetched = super::some(&mut *tail, limit, PATIENCE)?.ok_or("a reader that is behind got nothing")?;
            let p = usize::try_from(fetched.origin.partition.0)?;
            check!(fetched.offsets.len() <= limit.records, "step {step}: more records than asked for");
            tailed[p].extend(rows(&fetched));
        }
        let held = s.log.committed(&s.group, std::slice::from_ref(&input))?;
        check!(held == [committed], "step {step}: committed {committed:?}, the log says {held:?}");
    }
    for (p, expected) in (0u32..).zip(&model.held) {
        let read = s.read_all(p)?;
        check!(same(&read, expected), "partition {p}: {} records, the model has {}", read.len(), expected.len());
        let already = &tailed[usize::try_from(p)?];
        check!(same(already, &expected[..already.len()]), "partition {p}: the tail read something else");
        let time = expected.get(expected.len() / 2).map_or(0, |r| r.time);
        let found = s.read(p, s.log.resolve(&s.at(p), Start::Time(time))?)?;
        let first = expected.iter().position(|r| r.time >= time).unwrap_or(expected.len());
        check!(same(&found, &expected[first..]), "partition {p}: from time {time}");
    }
    drop(committer);
    member.leave()?;
    Ok(())
}

/// The same records; the model knows no offsets.
fn same(read: &[Row], expected: &[Row]) -> bool {
    let plain = |r: &Row| Row { offset: 0, ..r.clone() };
    read.len() == expected.len() && read.iter().zip(expected).all(|(r, e)| plain(r) == *e)
}
