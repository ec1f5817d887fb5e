//! `run --from`: the chosen start offsets also hold for later runs, even if the first one reads nothing.

use crate::harness::program::Fastdata;
use crate::harness::record::{Record, pack};
use crate::harness::wait::until;
use fastdata::log::embedded::EmbeddedLog;
use fastdata::log::{Append, Log as _, TopicConfig, partitions, topic};
use fastdata::record::Offset;
use serde_json::json;

const PIPELINE: &str = "name: p\nsource: {topic: raw, schema: {n: bigint}}\nsteps: [{filter: n > 0}]\nsink: out\n";

/// A pipeline file and a source topic with two partitions.
fn with_source(pipeline: &str) -> (Fastdata, EmbeddedLog) {
    let f = Fastdata::in_temp();
    f.file("p.yaml", pipeline);
    let log = EmbeddedLog::open(&f.log_dir()).unwrap();
    log.create_topic("raw", &TopicConfig { partitions: 2, ..TopicConfig::default() }).unwrap();
    (f, log)
}

fn append(log: &EmbeddedLog, n: i64) {
    let records = pack(&[Record::json(None, &json!({ "n": n }), 0)]);
    let to = partitions(&topic(log, "raw").unwrap());
    let appends: Vec<_> = to.into_iter().map(|to| Append { to, records: records.clone() }).collect();
    log.appender().unwrap().append(&appends).unwrap();
}

fn results(log: &EmbeddedLog) -> i64 {
    topic(log, "out").unwrap().partitions.iter().map(|p| p.end.0).sum()
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
    append(&log, 1);
    let mut run = f.start("run p.yaml");
    until("the first results", || topic(&log, "out").ok().filter(|_| results(&log) == 2));
    let refused = f.args("run p.yaml --from earliest").fails_with(1);
    assert!(refused.stderr_text().starts_with("error: pipeline `p` is already running: "), "{}", refused.stderr_text());
    append(&log, 2);
    until("the next results", || (results(&log) == 4).then_some(()));
    run.signal("TERM");
    assert_eq!(run.wait().code(), Some(0), "{}", run.stderr_text());
}

#[test]
fn the_chosen_start_offset_holds_for_later_runs() {
    let (f, log) = with_source(PIPELINE);
    (1..=3).for_each(|n| append(&log, n));
    run_until_start_is_committed(&f, &log, "latest", 3);
    append(&log, 4);
    f.args("run p.yaml --until-end").succeeds();
    assert_eq!(results(&log), 2, "only later records");
    append(&log, 5);
    run_until_start_is_committed(&f, &log, "latest", 5);
    append(&log, 6);
    f.args("run p.yaml --until-end").succeeds();
    assert_eq!(results(&log), 4, "one record of each partition was skipped, and one read");
}
