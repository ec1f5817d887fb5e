//! Ten million records in one run: memory stays flat.

use super::setup::resident;
use super::through_log::{engine, fill, runtime, to_the_end};
use std::time::Duration;

const RECORDS: usize = 10_000_000;

pub(crate) fn run() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let engine = engine(dir.path());
    fill(engine.log.as_ref(), RECORDS);
    let runtime = runtime();
    let running = to_the_end(&runtime, &engine);
    let mut seen = Vec::new();
    while !running.is_finished() {
        std::thread::sleep(Duration::from_millis(100));
        seen.push(resident());
    }
    runtime.block_on(running).expect("joined").expect("no fault");
    let quarter = seen.len() / 4;
    let most = |part: &[u64]| part.iter().max().copied().unwrap_or(0) / 1024;
    println!(
        "{RECORDS} records in a run: resident {} MiB at most in the first quarter, {} MiB in the last",
        most(&seen[..quarter]),
        most(&seen[seen.len() - quarter..])
    );
}
