//! Memory over ten million records in one run: it does not grow.

use super::setup::resident;
use super::through_log::{engine, fill, runtime, spawn_bounded_run};
use std::time::Duration;

/// Time between two samples of the resident memory.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(100);

const RECORDS: usize = 10_000_000;

pub(crate) fn run() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let engine = engine(dir.path());
    fill(engine.log.as_ref(), RECORDS);
    let runtime = runtime();
    let running = spawn_bounded_run(&runtime, &engine);
    let mut samples = Vec::new();
    while !running.is_finished() {
        std::thread::sleep(SAMPLE_INTERVAL);
        samples.push(resident());
    }
    runtime.block_on(running).expect("joined").expect("no fault");
    let quarter = samples.len() / 4;
    let peak = |part: &[u64]| part.iter().max().copied().unwrap_or(0) / 1024;
    println!(
        "{RECORDS} records in a run: resident {} MiB at most in the first quarter, {} MiB in the last",
        peak(&samples[..quarter]),
        peak(&samples[samples.len() - quarter..])
    );
}
