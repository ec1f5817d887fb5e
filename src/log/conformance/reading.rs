//! Cases on appending and reading outside groups.
//!
//! Separate from groups because commands such as `seed` and `tail` need no more than this.

use super::{Case, Fixture, Outcome, PATIENCE, Row, SHORT, Stage, check, records, rows, some, texts};
use crate::log::{Append, FetchLimit, LogError, Start};
use crate::record::{Offset, RecordsBuilder};
use std::time::Duration;

pub(super) const CASES: &[Case] = &[
    Case { name: "records come back in order with rising offsets", run: order },
    Case { name: "keys, values, times and headers come back to the byte", run: round_trip },
    Case { name: "an append to several partitions is all or nothing", run: atomic },
    Case { name: "reading begins where it was asked to", run: starts },
    Case { name: "an offset out of range is an error", run: out_of_range },
    Case { name: "a reader waits, and wakes when another process appends", run: waking },
    Case { name: "partitions take turns", run: turns },
    Case { name: "a partition of a reader that is stopped goes on where it was", run: stopped },
    Case { name: "a fetch keeps its limits and always gives something", run: limits },
    Case { name: "many small appends are read together", run: combined },
];

fn order(fixture: &dyn Fixture) -> Outcome {
    let s = Stage::new(fixture, 1)?;
    let words: Vec<String> = (0..5000).map(|i| format!("k{}=v{i}", i % 7)).collect();
    let mut firsts = Vec::new();
    for chunk in words.chunks(617) {
        let words: Vec<&str> = chunk.iter().map(String::as_str).collect();
        firsts.push(s.append(0, 0, &words)?);
    }
    let read = s.read_all(0)?;
    check!(texts(&read) == words, "{} of {} records, or not in order", read.len(), words.len());
    for (i, first) in firsts.iter().enumerate() {
        check!(read[i * 617].offset == first.0, "append {i} was said to begin at {first}");
    }
    if fixture.dense() {
        check!(read.iter().zip(0..).all(|(r, i)| r.offset == i), "offsets have gaps");
    }
    Ok(())
}

fn round_trip(fixture: &dyn Fixture) -> Outcome {
    let s = Stage::new(fixture, 1)?;
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
        check!(read == expected, "record {i} came back changed: time {}, headers {:?}", read.time, read.headers);
    }
    check!(read.len() == expected.len(), "{} records of {}", read.len(), expected.len());
    Ok(())
}

fn atomic(fixture: &dyn Fixture) -> Outcome {
    let s = Stage::new(fixture, 2)?;
    let mut appender = s.log.appender()?;
    let good = |p: u32| Append { to: s.at(p), records: records(0, &["a=1", "b=2"]) };
    let failed = appender.append(&[good(0), good(1), good(2)]);
    check!(failed.is_err(), "appended to partition 2 of two");
    check!(s.read_all(0)?.is_empty() && s.read_all(1)?.is_empty(), "half of the append is there");
    let firsts = appender.append(&[good(0), good(1), good(0)])?;
    check!(firsts.len() == 3, "{} offsets for three appends", firsts.len());
    check!(texts(&s.read_all(0)?) == ["a=1", "b=2", "a=1", "b=2"], "partition 0 after the good append");
    check!(s.read_all(1)?.len() == 2, "partition 1 after the good append");
    check!(appender.append(&[])?.is_empty(), "an append of nothing");
    Ok(())
}

fn starts(fixture: &dyn Fixture) -> Outcome {
    let s = Stage::new(fixture, 1)?;
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
    let s = Stage::new(fixture, 1)?;
    s.append(0, 0, &["a=1"])?;
    let end = s.log.resolve(&s.at(0), Start::Latest)?;
    // Well past the end, which the end of a transaction may still move on by one.
    for asked in [Offset(end.0 + 1000), Offset(-1)] {
        let fault = match s.log.reader(&[(s.at(0), asked)]) {
            Err(e) => Some(e),
            Ok(mut reader) => reader.poll(FetchLimit::default(), PATIENCE).err(),
        };
        check!(matches!(fault, Some(LogError::OffsetOutOfRange { .. })), "reading from {asked}: {fault:?}");
    }
    Ok(())
}

fn waking(fixture: &dyn Fixture) -> Outcome {
    let s = Stage::new(fixture, 1)?;
    let end = s.log.resolve(&s.at(0), Start::Latest)?;
    let mut reader = s.log.reader(&[(s.at(0), end)])?;
    check!(reader.poll(FetchLimit::default(), SHORT)?.is_none(), "records of an empty topic");
    for opened in [fixture.open(), fixture.open()] {
        let append = Append { to: s.at(0), records: records(0, &["a=1"]) };
        let fetched = std::thread::scope(|scope| {
            let waiting = scope.spawn(|| some(&mut *reader, FetchLimit::default(), PATIENCE));
            let appended = opened.appender().and_then(|mut a| a.append(&[append]));
            (waiting.join(), appended)
        });
        fetched.1?;
        let fetched = fetched.0.map_err(|_| "the reader panicked")??;
        check!(fetched.is_some_and(|f| texts(&rows(&f)) == ["a=1"]), "the reader slept through an append");
    }
    Ok(())
}

fn turns(fixture: &dyn Fixture) -> Outcome {
    let s = Stage::new(fixture, 3)?;
    for p in 0..3 {
        s.append(p, 0, &["a=1", "a=2", "a=3", "a=4"])?;
    }
    let from: Vec<_> = (0..3).map(|p| (s.at(p), Offset(0))).collect();
    let mut reader = s.log.reader(&from)?;
    let mut seen = Vec::new();
    for _ in 0..6 {
        let limit = FetchLimit { records: 2, ..FetchLimit::default() };
        let Some(fetched) = some(&mut *reader, limit, PATIENCE)? else { return Err("nothing came".into()) };
        seen.push(fetched.origin.partition.0);
    }
    for p in 0..3 {
        let before = seen.iter().take_while(|s| **s != p).count();
        check!(before < 3 || !fixture.dense(), "partition {p} waited for {before} fetches of {seen:?}");
        check!(seen.contains(&p), "partition {p} never came: {seen:?}");
    }
    Ok(())
}

fn stopped(fixture: &dyn Fixture) -> Outcome {
    let s = Stage::new(fixture, 2)?;
    let words: Vec<String> = (0..1000).map(|i| format!("k={i}")).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    s.append(0, 0, &words)?;
    s.append(1, 0, &words)?;
    let mut reader = s.log.reader(&[(s.at(0), Offset(0)), (s.at(1), Offset(0))])?;
    let (mut read, mut stopped) = ([Vec::new(), Vec::new()], None);
    while read.iter().any(|r: &Vec<Row>| r.len() < words.len()) {
        let limit = FetchLimit { records: 90, ..FetchLimit::default() };
        let Some(fetched) = some(&mut *reader, limit, PATIENCE)? else { return Err("nothing came".into()) };
        let of = usize::try_from(fetched.origin.partition.0)?;
        check!(stopped != Some(of), "records of partition {of}, which is stopped");
        read[of].extend(rows(&fetched));
        // The one that has got further is stopped, until the other one is ahead.
        let further = usize::from(read[1].len() > read[0].len());
        reader.pause(&[s.at(u32::try_from(further)?)], true)?;
        reader.pause(&[s.at(u32::try_from(1 - further)?)], false)?;
        stopped = Some(further);
        check!(read[further].len() <= read[1 - further].len() + 90, "partition {further} ran ahead");
    }
    for (p, read) in read.iter().enumerate() {
        check!(texts(read) == words, "{} records of partition {p}, or not in order", read.len());
    }
    Ok(())
}

fn limits(fixture: &dyn Fixture) -> Outcome {
    let s = Stage::new(fixture, 1)?;
    let value = "x".repeat(1000);
    let words: Vec<String> = (0..10).map(|i| format!("k{i}={value}")).collect();
    s.append(0, 0, &words.iter().map(String::as_str).collect::<Vec<_>>())?;
    let mut reader = s.log.reader(&[(s.at(0), Offset(0))])?;
    let mut next = |records, bytes| -> Result<usize, Box<dyn std::error::Error + Send + Sync>> {
        Ok(some(&mut *reader, FetchLimit { records, bytes }, PATIENCE)?.map_or(0, |f| f.offsets.len()))
    };
    check!(next(3, 1 << 20)? == 3, "a limit of three records");
    check!(next(1, 0)? == 1, "at least one record although no byte is allowed");
    let few = next(100, 2500)?;
    check!((1..=3).contains(&few), "{few} records of 1,002 bytes for a limit of 2,500");
    let mut left = 6 - few;
    while left > 0 {
        left = left.saturating_sub(next(100, 1 << 20)?.max(1));
    }
    check!(reader.poll(FetchLimit::default(), SHORT)?.is_none(), "more records than were written");
    Ok(())
}

fn combined(fixture: &dyn Fixture) -> Outcome {
    let s = Stage::new(fixture, 1)?;
    for i in 0..50 {
        s.append(0, i, &[format!("k={i}").as_str()])?;
    }
    let mut reader = s.log.reader(&[(s.at(0), Offset(0))])?;
    let (mut polls, mut got) = (0, 0);
    while got < 50 {
        let fetched = some(&mut *reader, FetchLimit::default(), Duration::from_secs(5))?;
        got += fetched.ok_or("records are missing")?.offsets.len();
        polls += 1;
    }
    check!(polls <= 10, "50 records took {polls} fetches");
    Ok(())
}
