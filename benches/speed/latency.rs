//! Latency of single records: from an append on one handle of the log to the committed output that a reader on another
//! handle sees.

use super::setup::{self, quantile};
use super::through_log::{append, engine, runtime};
use fastdata::log::embedded::EmbeddedLog;
use fastdata::log::{FetchLimit, Log};
use fastdata::record::{Offset, TopicPartition};
use fastdata::runtime::{CancelReason, CancelToken, RunOptions};
use std::time::{Duration, Instant};

const RECORDS_PER_SECOND: u64 = 1000;
const RECORDS: usize = 5000;

pub(crate) fn run() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let engine = engine(dir.path());
    let stop = CancelToken::default();
    // Only records that pass the filter have an output.
    let passing: Vec<usize> = (0..).filter(|i| passes(*i)).take(RECORDS).collect();
    let runtime = runtime();
    let running = runtime.spawn({
        let (engine, stop) = (engine.clone(), stop.clone());
        async move { engine.run(&RunOptions { instance: "bench".into(), ..RunOptions::default() }, &stop).await }
    });
    let reading = EmbeddedLog::open_separately(dir.path()).expect("a second handle");
    while reading.topics(Some("scored")).expect("topics").is_empty() {
        std::thread::yield_now();
    }
    let reader = std::thread::spawn(move || {
        let mut reader = reading.reader(&[(TopicPartition::new("scored", 0), Offset(0))]).expect("a reader");
        let mut seen = Vec::with_capacity(RECORDS);
        while seen.len() < RECORDS {
            if let Some(f) = reader.poll(FetchLimit::default(), Duration::from_millis(100)).expect("records") {
                let now = Instant::now();
                seen.extend(std::iter::repeat_n(now, f.records.len()));
            }
        }
        seen
    });
    let writing = EmbeddedLog::open_separately(dir.path()).expect("a third handle");
    let start = Instant::now();
    let mut sent = Vec::with_capacity(RECORDS);
    for (i, id) in passing.into_iter().enumerate() {
        let due = start + Duration::from_micros(i as u64 * 1_000_000 / RECORDS_PER_SECOND);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        sent.push(Instant::now());
        append(&writing, "raw", setup::records(id, 1, 0));
    }
    let seen = reader.join().expect("the reader");
    stop.cancel(CancelReason::Stop);
    runtime.block_on(running).expect("joined").expect("no fault");
    let mut took: Vec<Duration> = sent.iter().zip(&seen).map(|(s, r)| r.saturating_duration_since(*s)).collect();
    took.sort_unstable();
    let [p50, p99] = [0.5, 0.99].map(|q| quantile(&took, q));
    println!(
        "one record at a time, {RECORDS_PER_SECOND} records/s: append → visible output p50 {p50:.1?}, p99 {p99:.1?}"
    );
}

fn passes(id: usize) -> bool {
    let records = setup::records(id, 1, 0);
    let row: serde_json::Value = serde_json::from_slice(records.values.value(0)).expect("json");
    row["f10"].as_f64() >= Some(9.) && row["f8"].as_f64() < Some(4.)
}
