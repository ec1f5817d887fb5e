//! Cases on trimming: records before an offset are deleted, and nothing else changes.

use super::{Case, Failure, Fixture, Outcome, TIMEOUT, TestTopic, check, poll_until, texts};
use crate::log::{self, Append, FetchLimit, Log, LogError, Start, TopicConfig};
use crate::record::{Offset, RecordsBuilder, TopicPartition};

pub(super) const CASES: &[Case] = &[
    Case { name: "a trim deletes the records before an offset and nothing else", run: records_before },
    Case { name: "a trimmed offset is out of range", run: out_of_range },
    Case { name: "a trim to the earliest offset or before changes nothing", run: repeated },
    Case { name: "a trim past the end empties the partition, and appends go on", run: past_the_end },
    Case { name: "a time before a trim resolves to the first record left", run: times },
    Case { name: "a paused partition may be trimmed behind its reader", run: paused },
    Case { name: "a compacted topic refuses a trim", run: compacted },
    Case { name: "a trim of a missing topic or partition is an error", run: unknown },
];

/// The earliest and the end offset of a partition.
fn bounds(log: &dyn Log, at: &TopicPartition) -> Result<(Offset, Offset), Failure> {
    Ok((log.resolve(at, Start::Earliest)?, log.resolve(at, Start::Latest)?))
}

/// Three appends of four records each to a partition, `a=0` to `c=3`; returns the first offset of each.
fn filled(s: &TestTopic<'_>, partition: u32) -> Result<[Offset; 3], Failure> {
    let append = |key: &str, from_time| {
        let texts = [0, 1, 2, 3].map(|i| format!("{key}={i}"));
        s.append(partition, from_time, &texts.each_ref().map(String::as_str))
    };
    Ok([append("a", 100)?, append("b", 200)?, append("c", 300)?])
}

fn records_before(fixture: &dyn Fixture) -> Outcome {
    let s = TestTopic::new(fixture, 3)?;
    let [_, _, third] = filled(&s, 0)?;
    let [_, second, _] = filled(&s, 1)?;
    let untouched = filled(&s, 2)?;
    let ends = [bounds(&*s.log, &s.at(0))?.1, bounds(&*s.log, &s.at(1))?.1];
    // Between two appends, and in the middle of one.
    let middle = Offset(second.0 + 2);
    s.log.delete_records(&[(s.at(0), third), (s.at(1), middle)])?;
    let other = fixture.open();
    for (p, from) in [(0, third), (1, middle)] {
        let (earliest, end) = bounds(&*other, &s.at(p))?;
        let expected = ends[usize::try_from(p)?];
        check!(earliest == from, "partition {p} begins at {earliest} after a trim to {from}");
        check!(end == expected, "the end of partition {p} moved from {expected} to {end}");
    }
    let left = texts(&s.read_all(0)?);
    check!(left == ["c=0", "c=1", "c=2", "c=3"], "partition 0 holds {left:?}");
    let left = s.read_all(1)?;
    check!(texts(&left) == ["b=2", "b=3", "c=0", "c=1", "c=2", "c=3"], "partition 1 holds {:?}", texts(&left));
    check!(left[0].offset == middle.0, "the first record left has the offset {}", left[0].offset);
    check!(bounds(&*other, &s.at(2))?.0 == untouched[0], "a partition that was not named lost records");
    let info = log::topic(&*other, &s.topic)?;
    check!(info.partitions[1].earliest == middle, "described as {:?}", info.partitions);
    let next = s.append(1, 400, &["d=0"])?;
    check!(next >= ends[1], "an append after a trim went to {next}");
    check!(texts(&s.read(1, next)?) == ["d=0"], "the record appended after a trim was not read");
    Ok(())
}

fn out_of_range(fixture: &dyn Fixture) -> Outcome {
    let s = TestTopic::new(fixture, 1)?;
    let [first, second, _] = filled(&s, 0)?;
    // Is positioned at the records that are deleted.
    let mut behind = s.log.reader(&[(s.at(0), first)])?;
    s.log.delete_records(&[(s.at(0), second)])?;
    let fault = behind.poll(FetchLimit::default(), TIMEOUT).err();
    check!(matches!(fault, Some(LogError::OffsetOutOfRange { .. })), "a reader before the trim: {fault:?}");
    for asked in [first, Offset(second.0 - 1)] {
        let fault = match fixture.open().reader(&[(s.at(0), asked)]) {
            Err(e) => Some(e),
            Ok(mut reader) => reader.poll(FetchLimit::default(), TIMEOUT).err(),
        };
        check!(matches!(fault, Some(LogError::OffsetOutOfRange { .. })), "reading from {asked}: {fault:?}");
    }
    check!(s.read(0, second)?.len() == 8, "reading from the offset itself");
    Ok(())
}

fn repeated(fixture: &dyn Fixture) -> Outcome {
    let s = TestTopic::new(fixture, 1)?;
    let [first, second, _] = filled(&s, 0)?;
    s.log.delete_records(&[])?;
    s.log.delete_records(&[(s.at(0), first)])?;
    check!(s.read_all(0)?.len() == 12, "a trim to the beginning deleted records");
    s.log.delete_records(&[(s.at(0), second)])?;
    let (expected, left) = (bounds(&*s.log, &s.at(0))?, s.read_all(0)?);
    for offset in [second, first] {
        fixture.open().delete_records(&[(s.at(0), offset)])?;
        let found = bounds(&*s.log, &s.at(0))?;
        check!(found == expected, "another trim to {offset} moved the bounds from {expected:?} to {found:?}");
        check!(s.read_all(0)? == left, "another trim to {offset} changed the records");
    }
    Ok(())
}

fn past_the_end(fixture: &dyn Fixture) -> Outcome {
    let s = TestTopic::new(fixture, 2)?;
    filled(&s, 0)?;
    let end = s.log.resolve(&s.at(0), Start::Latest)?;
    s.log.delete_records(&[(s.at(0), Offset(end.0 + 1000)), (s.at(1), Offset(7))])?;
    check!(bounds(&*s.log, &s.at(0))? == (end, end), "bounds {:?} of {end}", bounds(&*s.log, &s.at(0))?);
    check!(s.read_all(0)?.is_empty() && s.read_all(1)?.is_empty(), "records are left");
    for p in [0, 1] {
        let first = s.append(p, 400, &["d=0", "d=1"])?;
        check!(p == 1 || first >= end, "an append to the empty partition went to {first}, before {end}");
        check!(texts(&s.read_all(p)?) == ["d=0", "d=1"], "partition {p} after an append");
    }
    Ok(())
}

fn paused(fixture: &dyn Fixture) -> Outcome {
    let s = TestTopic::new(fixture, 2)?;
    let [first, second, _] = filled(&s, 0)?;
    let other = filled(&s, 1)?[0];
    let mut reader = s.log.reader(&[(s.at(0), first), (s.at(1), other)])?;
    reader.pause(&[s.at(0)], true)?;
    s.log.delete_records(&[(s.at(0), second)])?;
    let mut read = 0;
    while read < 12 {
        let Some(fetched) = poll_until(&mut *reader, FetchLimit::default(), TIMEOUT)? else { break };
        check!(*fetched.origin == s.at(1), "records of {}", fetched.origin);
        read += fetched.offsets.len();
    }
    check!(read == 12, "{read} of 12 records of the partition that is not paused");
    check!(reader.positions().contains(&(s.at(0), first)), "the paused position moved: {:?}", reader.positions());
    Ok(())
}

fn times(fixture: &dyn Fixture) -> Outcome {
    if !fixture.dense() {
        // A Kafka broker searches for a time by batch and finds none where a trim has cut a batch. Nothing
        // resolves times in topics that are trimmed.
        return Ok(());
    }
    let s = TestTopic::new(fixture, 1)?;
    let [_, second, third] = filled(&s, 0)?;
    let middle = Offset(second.0 + 3);
    s.log.delete_records(&[(s.at(0), middle)])?;
    for (time, expected) in [(0, middle), (102, middle), (202, middle), (203, middle), (204, third), (300, third)] {
        let found = s.log.resolve(&s.at(0), Start::Time(time))?;
        check!(found == expected, "time {time} is offset {found}, not {expected}");
    }
    // In the append that the trim cuts, only a deleted record reaches this time.
    let mut mixed = RecordsBuilder::default();
    for time in [900, 10, 11] {
        mixed.push(None, Some(b"d"), time);
    }
    let late = s.log.appender()?.append(&[Append { to: s.at(0), records: mixed.finish() }])?[0];
    s.log.delete_records(&[(s.at(0), Offset(late.0 + 1))])?;
    let (_, end) = bounds(&*s.log, &s.at(0))?;
    let found = s.log.resolve(&s.at(0), Start::Time(500))?;
    check!(found == end, "time 500 is offset {found}, not the end {end}");
    Ok(())
}

fn compacted(fixture: &dyn Fixture) -> Outcome {
    let s = TestTopic::with(fixture, &TopicConfig { partitions: 1, compacted: true, ..TopicConfig::default() })?;
    s.append(0, 0, &["a=1", "b=1"])?;
    let end = s.log.resolve(&s.at(0), Start::Latest)?;
    let trimmed = s.log.delete_records(&[(s.at(0), end)]);
    check!(matches!(trimmed, Err(LogError::InvalidTopic(_))), "trimmed: {trimmed:?}");
    check!(s.read_all(0)?.len() == 2, "records of a compacted topic were deleted");
    Ok(())
}

fn unknown(fixture: &dyn Fixture) -> Outcome {
    let s = TestTopic::new(fixture, 2)?;
    let missing = TopicPartition::new(format!("{}-on", fixture.prefix()), 0);
    let trimmed = s.log.delete_records(&[(missing, Offset(1))]);
    check!(matches!(trimmed, Err(LogError::UnknownTopic { .. })), "a missing topic: {trimmed:?}");
    let trimmed = s.log.delete_records(&[(s.at(2), Offset(1))]);
    check!(matches!(trimmed, Err(LogError::UnknownPartition { count: 2, .. })), "a missing partition: {trimmed:?}");
    Ok(())
}
