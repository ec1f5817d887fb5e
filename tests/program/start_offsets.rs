//! `run --from`: the chosen start offsets also hold for later runs, even if the first one reads nothing.

use crate::harness::program::Fastdata;
use crate::harness::record::{Record, pack};
use crate::harness::topics::{append, topic_config, total_end};
use crate::harness::wait::until;
use fastdata::log::embedded::EmbeddedLog;
use fastdata::log::{Log as _, partitions, topic};
use fastdata::record::Offset;
use serde_json::json;

const PIPELINE: &str = "name: p\nsource: {topic: raw, schema: {n: bigint}}\nsteps: [{filter: n > 0}]\nsink: out\n";

/// A pipeline file and a source topic with two partitions.
fn with_source(pipeline: &str) -> (Fastdata, EmbeddedLog) {
    let f = Fastdata::in_temp();
    f.file("p.yaml", pipeline);
    let log = EmbeddedLog::open(&f.log_dir()).unwrap();
    log.create_topic("raw", &topic_config(2)).unwrap();
    (f, log)
}

/// Appends a record to each partition of the source.
fn append_to_both(log: &EmbeddedLog, n: i64) {
    let records = pack(&[Record::json(None, &json!({ "n": n }), 0)]);
    (0..2).for_each(|partition| append(log, "raw", partition, records.clone()));
}

/// Runs until the start offset of both partitions is committed.
fn run_until_start_is_committed(f: &Fastdata, log: &EmbeddedLog, from: &str, offset: i64) {
    let mut run = f.start(&format!("run p.yaml --from {from}"));
    until("the start offsets to be committed", || {
        let committed = log.committed("p", &partitions(&topic(log, "raw").unwrap())).unwrap();
        committed.iter().all(|c| *c == Some(Offset(offset))).then_some(())
    });
    run.signal("TERM");
    assert_eq!(run.wait().code(), Some(0), "{}", run.stderr_text());
}

/// Membership is checked only for partitions whose position moves, so each must have a position.
#[test]
fn the_first_commit_covers_every_partition() {
    let (f, log) = with_source(PIPELINE);
    run_until_start_is_committed(&f, &log, "committed", 0);
}

#[test]
fn starting_over_beside_a_running_instance_is_refused() {
    let (f, log) = with_source(&PIPELINE.replace("filter: n > 0", "scan: {by: [n], init: {c: 0}, next: {c: c + 1}}"));
    append_to_both(&log, 1);
    let mut run = f.start("run p.yaml");
    until("the first results", || (total_end(&log, "out") == Some(2)).then_some(()));
    let refused = f.args("run p.yaml --from earliest").fails_with(1);
    assert!(refused.stderr_text().contains("\nerror: pipeline `p` is already running: "), "{}", refused.stderr_text());
    append_to_both(&log, 2);
    until("the next results", || (total_end(&log, "out") == Some(4)).then_some(()));
    run.signal("TERM");
    assert_eq!(run.wait().code(), Some(0), "{}", run.stderr_text());
}

#[test]
fn the_chosen_start_offset_holds_for_later_runs() {
    let (f, log) = with_source(PIPELINE);
    (1..=3).for_each(|n| append_to_both(&log, n));
    run_until_start_is_committed(&f, &log, "latest", 3);
    append_to_both(&log, 4);
    f.args("run p.yaml --until-end").succeeds();
    assert_eq!(total_end(&log, "out"), Some(2), "only later records");
    append_to_both(&log, 5);
    run_until_start_is_committed(&f, &log, "latest", 5);
    append_to_both(&log, 6);
    f.args("run p.yaml --until-end").succeeds();
    assert_eq!(total_end(&log, "out"), Some(4), "one record of each partition was skipped, and one read");
}
