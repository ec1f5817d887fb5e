//! Cases on appending and reading outside groups, as commands such as `seed` and `tail` do.

use super::{
    Case, Failure, Fixture, Outcome, QUIET_PERIOD, Row, TIMEOUT, TestTopic, check, poll_until, records, rows, texts,
};
use crate::log::{Append, FetchLimit, LogError, Start};
use crate::record::{Offset, RecordsBuilder};
use std::time::Duration;

pub(super) const CASES: &[Case] = &[
    Case { name: "records come back in order with rising offsets", run: order },
    Case { name: "keys, values, times and headers come back to the byte", run: round_trip },
    Case { name: "an append to several partitions is all or nothing", run: atomic },
    Case { name: "reading starts at the requested position", run: start_positions },
    Case { name: "an offset out of range is an error", run: out_of_range },
    Case { name: "a waiting reader wakes when another process appends", run: waking },
    Case { name: "a reader serves its partitions in turn", run: fairness },
    Case { name: "a paused partition of a reader resumes where it stopped", run: pausing },
    Case { name: "a fetch keeps its limits and returns at least one record", run: limits },
    Case { name: "headers count towards the limits of a fetch", run: limits_with_headers },
    Case { name: "one fetch joins many small appends", run: small_appends },
];

fn order(fixture: &dyn Fixture) -> Outcome {
    let s = TestTopic::new(fixture, 1)?;
    let expected: Vec<String> = (0..5000).map(|i| format!("k{}=v{i}", i % 7)).collect();
    let mut firsts = Vec::new();
    for chunk in expected.chunks(617) {
        let texts: Vec<&str> = chunk.iter().map(String::as_str).collect();
        firsts.push(s.append(0, 0, &texts)?);
    }
    let read = s.read_all(0)?;
    check!(texts(&read) == expected, "{} of {} records, or not in order", read.len(), expected.len());
    for (i, first) in firsts.iter().enumerate() {
        check!(read[i * 617].offset == first.0, "append {i} returned the offset {first}");
    }
    if fixture.dense() {
        check!(read.iter().zip(0..).all(|(r, i)| r.offset == i), "offsets have gaps");
    }
    Ok(())
}

fn round_trip(fixture: &dyn Fixture) -> Outcome {
    let s = TestTopic::new(fixture, 1)?;
    let large = vec![0xfe; 200_000];
    let headers: &[(&str, Option<&[u8]>)] = &[("a", Some(b"1")), ("a", None), ("empty", Some(b""))];
    let mut b = RecordsBuilder::default();
    b.push(None, None, 5);
    b.push(Some(b""), Some(b""), 4);
    b.push_with(Some(b"\xff\x00"), Some(&large), 1_700_000_000_000, headers);
    b.push(Some(b"key"), None, 0);
    let all = b.finish();
    let appends = [
        Append { to: s.at(0), records: all.clone() },
        Append { to: s.at(0), records: all.slice(1, 2) },
        Append { to: s.at(0), records: all.slice(3, 1) },
    ];
    s.log.appender()?.append(&appends)?;
    let row = |key: Option<&[u8]>, value: Option<&[u8]>, time: i64, headers: &[(&str, Option<&[u8]>)]| Row {
        offset: 0,
        time,
        key: key.map(<[u8]>::to_vec),
        value: value.map(<[u8]>::to_vec),
        headers: headers.iter().map(|(n, v)| ((*n).to_owned(), v.map(<[u8]>::to_vec))).collect(),
    };
    let one = [
        row(None, None, 5, &[]),
        row(Some(b""), Some(b""), 4, &[]),
        row(Some(b"\xff\x00"), Some(&large), 1_700_000_000_000, headers),
        row(Some(b"key"), None, 0, &[]),
    ];
    let expected: Vec<Row> = [0, 1, 2, 3, 1, 2, 3].map(|i: usize| one[i].clone()).into();
    let read: Vec<Row> = s.read_all(0)?.into_iter().map(|r| Row { offset: 0, ..r }).collect();
    for (i, (read, expected)) in read.iter().zip(&expected).enumerate() {
        check!(read == expected, "record {i} was changed: time {}, headers {:?}", read.time, read.headers);
    }
    check!(read.len() == expected.len(), "{} records of {}", read.len(), expected.len());
    Ok(())
}

fn atomic(fixture: &dyn Fixture) -> Outcome {
    let s = TestTopic::new(fixture, 2)?;
    let mut appender = s.log.appender()?;
    let good = |p: u32| Append { to: s.at(p), records: records(0, &["a=1", "b=2"]) };
    let failed = appender.append(&[good(0), good(1), good(2)]);
    check!(failed.is_err(), "appended to partition 2 of two");
    check!(s.read_all(0)?.is_empty() && s.read_all(1)?.is_empty(), "a part of the failed append is visible");
    let firsts = appender.append(&[good(0), good(1), good(0)])?;
    check!(firsts.len() == 3, "{} offsets for three appends", firsts.len());
    check!(texts(&s.read_all(0)?) == ["a=1", "b=2", "a=1", "b=2"], "partition 0 after the good append");
    check!(s.read_all(1)?.len() == 2, "partition 1 after the good append");
    check!(appender.append(&[])?.is_empty(), "an append of nothing");
    Ok(())
}

fn start_positions(fixture: &dyn Fixture) -> Outcome {
    let s = TestTopic::new(fixture, 1)?;
    s.append(0, 1000, &["a=0", "a=1", "a=2"])?;
    let second = s.append(0, 2000, &["b=0", "b=1", "b=2"])?;
    let from = |start| s.log.resolve(&s.at(0), start);
    check!(s.read(0, from(Start::Earliest)?)?.len() == 6, "from the earliest");
    check!(s.read(0, from(Start::Latest)?)?.is_empty(), "from the latest");
    check!(from(Start::At(second))? == second, "from an offset");
    for (time, expected) in [(0, "a=0"), (1001, "a=1"), (1002, "a=2"), (1003, "b=0"), (2002, "b=2")] {
        let read = s.read(0, from(Start::Time(time))?)?;
        check!(read.first().is_some_and(|r| r.text() == expected), "from time {time}: {:?}", texts(&read));
    }
    check!(from(Start::Time(2003))? == from(Start::Latest)?, "from a time after the last record");
    let mid = s.read(0, Offset(second.0 + 1))?;
    check!(texts(&mid) == ["b=1", "b=2"], "from the middle of a batch: {:?}", texts(&mid));
    Ok(())
}

fn out_of_range(fixture: &dyn Fixture) -> Outcome {
    let s = TestTopic::new(fixture, 1)?;
    s.append(0, 0, &["a=1"])?;
    let end = s.log.resolve(&s.at(0), Start::Latest)?;
    // Well past the end, because a transaction marker may still move the end by one.
    for asked in [Offset(end.0 + 1000), Offset(-1)] {
        let fault = match s.log.reader(&[(s.at(0), asked)]) {
            Err(e) => Some(e),
            Ok(mut reader) => reader.poll(FetchLimit::default(), TIMEOUT).err(),
        };
        check!(matches!(fault, Some(LogError::OffsetOutOfRange { .. })), "reading from {asked}: {fault:?}");
    }
    Ok(())
}

fn waking(fixture: &dyn Fixture) -> Outcome {
    let s = TestTopic::new(fixture, 1)?;
    let end = s.log.resolve(&s.at(0), Start::Latest)?;
    let mut reader = s.log.reader(&[(s.at(0), end)])?;
    check!(reader.poll(FetchLimit::default(), QUIET_PERIOD)?.is_none(), "records of an empty topic");
    for opened in [fixture.open(), fixture.open()] {
        let append = Append { to: s.at(0), records: records(0, &["a=1"]) };
        let fetched = std::thread::scope(|scope| {
            let waiting = scope.spawn(|| poll_until(&mut *reader, FetchLimit::default(), TIMEOUT));
            let appended = opened.appender().and_then(|mut a| a.append(&[append]));
            (waiting.join(), appended)
        });
        fetched.1?;
        let fetched = fetched.0.map_err(|_| "the reader panicked")??;
        check!(fetched.is_some_and(|f| texts(&rows(&f)) == ["a=1"]), "an append did not wake the reader");
    }
    Ok(())
}

fn fairness(fixture: &dyn Fixture) -> Outcome {
    let s = TestTopic::new(fixture, 3)?;
    for p in 0..3 {
        s.append(p, 0, &["a=1", "a=2", "a=3", "a=4"])?;
    }
    let from: Vec<_> = (0..3).map(|p| (s.at(p), Offset(0))).collect();
    let mut reader = s.log.reader(&from)?;
    let mut seen = Vec::new();
    for _ in 0..6 {
        let limit = FetchLimit { records: 2, ..FetchLimit::default() };
        let Some(fetched) = poll_until(&mut *reader, limit, TIMEOUT)? else { return Err("no records came".into()) };
        seen.push(fetched.origin.partition.0);
    }
    for p in 0..3 {
        let before = seen.iter().take_while(|s| **s != p).count();
        check!(before < 3 || !fixture.dense(), "partition {p} waited for {before} fetches: {seen:?}");
        check!(seen.contains(&p), "partition {p} never came: {seen:?}");
    }
    Ok(())
}

fn pausing(fixture: &dyn Fixture) -> Outcome {
    let s = TestTopic::new(fixture, 2)?;
    let expected: Vec<String> = (0..1000).map(|i| format!("k={i}")).collect();
    let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    s.append(0, 0, &expected)?;
    s.append(1, 0, &expected)?;
    let mut reader = s.log.reader(&[(s.at(0), Offset(0)), (s.at(1), Offset(0))])?;
    let (mut read, mut paused) = ([Vec::new(), Vec::new()], None);
    while read.iter().any(|r: &Vec<Row>| r.len() < expected.len()) {
        let limit = FetchLimit { records: 90, ..FetchLimit::default() };
        let Some(fetched) = poll_until(&mut *reader, limit, TIMEOUT)? else { return Err("no records came".into()) };
        let of = usize::try_from(fetched.origin.partition.0)?;
        check!(paused != Some(of), "records of partition {of}, which is paused");
        read[of].extend(rows(&fetched));
        // Pauses the partition that is ahead until the other one has overtaken it.
        let ahead = usize::from(read[1].len() > read[0].len());
        reader.pause(&[s.at(u32::try_from(ahead)?)], true)?;
        reader.pause(&[s.at(u32::try_from(1 - ahead)?)], false)?;
        paused = Some(ahead);
        check!(read[ahead].len() <= read[1 - ahead].len() + 90, "partition {ahead} was read although it was paused");
    }
    for (p, read) in read.iter().enumerate() {
        check!(texts(read) == expected, "{} records of partition {p}, or not in order", read.len());
    }
    Ok(())
}

fn limits(fixture: &dyn Fixture) -> Outcome {
    let s = TestTopic::new(fixture, 1)?;
    let value = "x".repeat(1000);
    let texts: Vec<String> = (0..10).map(|i| format!("k{i}={value}")).collect();
    s.append(0, 0, &texts.iter().map(String::as_str).collect::<Vec<_>>())?;
    let mut reader = s.log.reader(&[(s.at(0), Offset(0))])?;
    let mut next = |records, bytes| -> Result<usize, Failure> {
        Ok(poll_until(&mut *reader, FetchLimit { records, bytes }, TIMEOUT)?.map_or(0, |f| f.offsets.len()))
    };
    check!(next(3, 1 << 20)? == 3, "a limit of three records");
    check!(next(1, 0)? == 1, "a limit of no bytes still returns one record");
    let fetched = next(100, 2500)?;
    check!((1..=3).contains(&fetched), "{fetched} records of 1,002 bytes for a limit of 2,500");
    let mut left = 6 - fetched;
    while left > 0 {
        left = left.saturating_sub(next(100, 1 << 20)?.max(1));
    }
    check!(reader.poll(FetchLimit::default(), QUIET_PERIOD)?.is_none(), "more records than were written");
    Ok(())
}

fn limits_with_headers(fixture: &dyn Fixture) -> Outcome {
    let s = TestTopic::new(fixture, 1)?;
    let (header, mut records) = ("x".repeat(1000), RecordsBuilder::default());
    (0..10).for_each(|_| records.push_with(None, Some(b"v"), 0, &[("h", Some(header.as_bytes()))]));
    s.log.appender()?.append(&[Append { to: s.at(0), records: records.finish() }])?;
    let mut reader = s.log.reader(&[(s.at(0), Offset(0))])?;
    let limit = FetchLimit { records: 100, bytes: 2500 };
    let fetched = poll_until(&mut *reader, limit, TIMEOUT)?.map_or(0, |f| f.offsets.len());
    check!((1..=3).contains(&fetched), "{fetched} records with headers of 1,000 bytes for a limit of 2,500");
    Ok(())
}

fn small_appends(fixture: &dyn Fixture) -> Outcome {
    let s = TestTopic::new(fixture, 1)?;
    for i in 0..50 {
        s.append(0, i, &[format!("k={i}").as_str()])?;
    }
    let mut reader = s.log.reader(&[(s.at(0), Offset(0))])?;
    let (mut polls, mut count) = (0, 0);
    while count < 50 {
        let fetched = poll_until(&mut *reader, FetchLimit::default(), Duration::from_secs(5))?;
        count += fetched.ok_or("records are missing")?.offsets.len();
        polls += 1;
    }
    check!(polls <= 10, "50 records took {polls} fetches");
    Ok(())
}
