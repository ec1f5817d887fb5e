//! Where a run begins: what was chosen with `--from` holds for all that follows, even where nothing was read.
//!
//! Separate because it shows only in the run after it.

use crate::harness::program::Fastdata;
use crate::harness::record::{Record, pack};
use crate::harness::wait::until;
use fastdata::log::embedded::EmbeddedLog;
use fastdata::log::{Append, Log as _, TopicConfig, partitions, topic};
use fastdata::record::Offset;
use serde_json::json;

const PIPELINE: &str = "name: p\nsource: {topic: raw, schema: {n: bigint}}\nsteps: [{filter: n > 0}]\nsink: out\n";

/// A pipeline, and the two partitions that it reads.
fn with(pipeline: &str) -> (Fastdata, EmbeddedLog) {
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

fn written(log: &EmbeddedLog) -> i64 {
    topic(log, "out").unwrap().partitions.iter().map(|p| p.end.0).sum()
}

/// A run from there, until that is committed.
fn begins(f: &Fastdata, log: &EmbeddedLog, from: &str, at: i64) {
    let mut run = f.start(&format!("run p.yaml --from {from}"));
    until("the beginning to be committed", || {
        let committed = log.committed("p", &partitions(&topic(log, "raw").unwrap())).unwrap();
        committed.iter().all(|c| *c == Some(Offset(at))).then_some(())
    });
    run.signal("TERM");
    assert_eq!(run.wait().code(), Some(0), "{}", run.talk());
}

/// Whether somebody still is a member is asked only of who moves a position.
#[test]
fn each_partition_has_a_position_from_the_first_commit_on() {
    let (f, log) = with(PIPELINE);
    begins(&f, &log, "committed", 0);
}

#[test]
fn nobody_begins_anew_beside_a_run() {
    let (f, log) = with(&PIPELINE.replace("filter: n > 0", "scan: {by: [n], init: {c: 0}, next: {c: c + 1}}"));
    append(&log, 1);
    let mut run = f.start("run p.yaml");
    until("the first results", || topic(&log, "out").ok().filter(|_| written(&log) == 2));
    let ended = f.args("run p.yaml --from earliest").fails_with(1);
    assert!(ended.talk().starts_with("error: pipeline `p` is already running: "), "{}", ended.talk());
    append(&log, 2);
    until("the next results", || (written(&log) == 4).then_some(()));
    run.signal("TERM");
    assert_eq!(run.wait().code(), Some(0), "{}", run.talk());
}

#[test]
fn a_beginning_that_was_chosen_holds_for_the_runs_after_it() {
    let (f, log) = with(PIPELINE);
    (1..=3).for_each(|n| append(&log, n));
    begins(&f, &log, "latest", 3);
    append(&log, 4);
    f.args("run p.yaml --until-end").succeeds();
    assert_eq!(written(&log), 2, "only what came after");
    append(&log, 5);
    begins(&f, &log, "latest", 5);
    append(&log, 6);
    f.args("run p.yaml --until-end").succeeds();
    assert_eq!(written(&log), 4, "one record of each partition was skipped, and one read");
}
