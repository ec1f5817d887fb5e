//! Start-up time: from the start of the process to the first committed record.

use super::setup;
use super::through_log::{append, engine};
use fastdata::log::FetchLimit;
use fastdata::record::{Offset, TopicPartition};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const RUNS: usize = 7;

pub(crate) fn run() {
    let mut took: Vec<Duration> = (0..RUNS).map(|_| measure()).collect();
    took.sort_unstable();
    println!("start of the process to first output: {:.0?} (median of {RUNS})", took[RUNS / 2]);
}

fn measure() -> Duration {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let spec = dir.path().join("bench.yaml");
    std::fs::write(&spec, setup::PIPELINE).expect("written");
    let engine = engine(dir.path());
    append(engine.log.as_ref(), "raw", setup::records(0, 64, 0));
    let started = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_fastdata"))
        .args(["run", "--quiet", "--data-dir"])
        .args([dir.path(), &spec])
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    while engine.log.topics(Some("scored")).expect("topics").is_empty() {
        std::thread::sleep(Duration::from_micros(200));
    }
    let mut reader = engine.log.reader(&[(TopicPartition::new("scored", 0), Offset(0))]).expect("a reader");
    while reader.poll(FetchLimit::default(), Duration::from_millis(5)).expect("records").is_none() {}
    let took = started.elapsed();
    child.kill().expect("it runs");
    child.wait().expect("it ends");
    took
}
