//! A model swap under load: no record is lost or scored twice; measures the longest gap between outputs.

use super::setup;
use super::through_log::{engine, fill, publish, runtime, spawn_bounded_run};
use arrow_array::Array;
use fastdata::log::FetchLimit;
use fastdata::record::{Offset, TopicPartition};
use std::time::{Duration, Instant};

const RECORDS: usize = 2_000_000;

pub(crate) fn run() {
    let (without, _) = longest_gap(false);
    let (with, swapped) = longest_gap(true);
    println!("hot swap under load, {RECORDS} records: every id once, {swapped} scored by the second version");
    println!("  longest gap between outputs {with:.1?} with the swap, {without:.1?} without");
}

/// The longest time between two fetched outputs, and the number of records that the second version scored.
fn longest_gap(swap: bool) -> (Duration, usize) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let engine = engine(dir.path());
    fill(engine.log.as_ref(), RECORDS);
    let runtime = runtime();
    let running = spawn_bounded_run(&runtime, &engine);
    while engine.log.topics(Some("scored")).expect("topics").is_empty() {
        std::thread::yield_now();
    }
    let mut reader = engine.log.reader(&[(TopicPartition::new("scored", 0), Offset(0))]).expect("a reader");
    let (mut longest, mut last, mut seen, mut second, mut next_id) =
        (Duration::ZERO, None::<Instant>, 0usize, 0usize, -1i64);
    let mut published = !swap;
    loop {
        let done = running.is_finished();
        match reader.poll(FetchLimit::default(), Duration::from_millis(20)).expect("records") {
            Some(f) => {
                let now = Instant::now();
                longest = longest.max(last.map_or(Duration::ZERO, |l| now - l));
                last = Some(now);
                for row in 0..f.records.len() {
                    let text = std::str::from_utf8(f.records.values.value(row)).expect("utf-8");
                    let id: i64 =
                        text["{\"id\":".len()..].split(',').next().and_then(|t| t.parse().ok()).expect("an id");
                    assert!(id > next_id, "record {id} after {next_id}: scored twice or out of order");
                    next_id = id;
                    let by = f.records.headers.as_ref().and_then(|h| h.row(row).find_map(|(_, v)| v)).expect("a stamp");
                    second += usize::from(by.starts_with(b"second"));
                }
                seen += f.records.keys.len();
                if !published && seen > RECORDS / 8 {
                    publish(engine.log.as_ref(), "second");
                    published = true;
                }
            }
            None if done => break,
            None => {}
        }
    }
    runtime.block_on(running).expect("joined").expect("no fault");
    let expected = (0..RECORDS / setup::BATCH + 1).map(|b| passing(b * setup::BATCH)).sum::<usize>();
    assert_eq!(seen, expected, "records lost or duplicated");
    (longest, second)
}

fn passing(first: usize) -> usize {
    let rows = setup::BATCH.min(RECORDS.saturating_sub(first));
    let records = setup::records(first, rows, 0);
    let passes = |row: &usize| {
        let row: serde_json::Value = serde_json::from_slice(records.values.value(*row)).expect("json");
        row["f10"].as_f64() >= Some(9.) && row["f8"].as_f64() < Some(4.)
    };
    (0..rows).filter(passes).count()
}
