//! `run --from`: the chosen start offsets also hold for later runs, even if the first one reads nothing.

use crate::harness::program::Fastdata;
use crate::harness::record::{Record, pack};
use crate::harness::topics::{append, read_partition, topic_config, total_end};
use crate::harness::wait::until;
use fastdata::log::embedded::EmbeddedLog;
use fastdata::log::{FetchLimit, GroupSpec, Log as _, Transaction, partitions, topic};
use fastdata::record::{Offset, TopicPartition};
use serde_json::json;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

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

const COUNTING: &str = "name: p\nsource: {topic: raw, schema: {n: bigint}}\nsteps: [{name: c, scan: {init: {c: 0}, next: {c: c + 1}}}]\nsink: out\n";

/// Commits positions as another program of the group does, one for each partition.
fn set_positions(log: &EmbeddedLog, to: i64) {
    let group = GroupSpec { group: "p".into(), topics: vec!["raw".into()], ..GroupSpec::default() };
    let mut member = log.join(&group).unwrap();
    member.poll(FetchLimit::default(), Duration::ZERO).unwrap();
    let mut committer = member.committer().unwrap();
    let offsets = (0..2).map(|p| (TopicPartition::new("raw", p), Offset(to))).collect();
    committer.commit(&Transaction { offsets, ..Transaction::default() }).unwrap();
    drop(committer);
    member.leave().unwrap();
}

fn positions(log: &EmbeddedLog) -> Vec<Option<Offset>> {
    log.committed("p", &partitions(&topic(log, "raw").unwrap())).unwrap()
}

/// The greatest count that was written.
fn greatest_count(log: &EmbeddedLog) -> i64 {
    let values = partitions(&topic(log, "out").unwrap()).into_iter().flat_map(|at| read_partition(log, &at));
    let count =
        |r: Record| serde_json::from_slice::<serde_json::Value>(&r.value.unwrap()).unwrap()["c"].as_i64().unwrap();
    values.map(count).max().unwrap()
}

#[test]
fn positions_that_are_gone_or_were_set_are_taken_from_the_record_on_request() {
    for gone in [true, false] {
        let (f, log) = with_source(COUNTING);
        (1..4).for_each(|n| append_to_both(&log, n));
        f.args("run p.yaml --until-end").succeeds();
        match gone {
            true => log.delete_offsets("p", &AtomicBool::new(false)).unwrap(),
            false => set_positions(&log, 1),
        }
        append_to_both(&log, 4);
        let refused = f.args("run p.yaml --until-end").fails_with(1);
        let hint = "\nhint: `--from recorded` goes on at 3";
        assert!(refused.stderr_text().contains(hint), "{}", refused.stderr_text());
        f.args("run p.yaml --until-end --from recorded").succeeds();
        assert_eq!(
            (greatest_count(&log), total_end(&log, "out")),
            (4, Some(8)),
            "each record once, with the state kept"
        );
        assert_eq!(positions(&log), [Some(Offset(4)); 2]);
        f.args("run p.yaml --until-end").succeeds();
    }
}

#[test]
fn recorded_positions_are_committed_even_if_nothing_is_read() {
    let (f, log) = with_source(COUNTING);
    append_to_both(&log, 1);
    f.args("run p.yaml --until-end").succeeds();
    log.delete_offsets("p", &AtomicBool::new(false)).unwrap();
    run_until_start_is_committed(&f, &log, "recorded", 1);
    f.args("run p.yaml --until-end --from recorded").succeeds();
    assert_eq!(total_end(&log, "out"), Some(2));
}

#[test]
fn positions_that_another_program_sets_hold_for_a_pipeline_without_state() {
    let (f, log) = with_source(PIPELINE);
    (1..5).for_each(|n| append_to_both(&log, n));
    set_positions(&log, 1);
    f.args("run p.yaml --until-end").succeeds();
    assert_eq!(total_end(&log, "out"), Some(6), "from the second record on");
    set_positions(&log, 2);
    f.args("run p.yaml --until-end").succeeds();
    assert_eq!(total_end(&log, "out"), Some(10), "the last two of each again");
    let stats = f.args("stats p --output json").succeeds();
    let stats: serde_json::Value = serde_json::from_str(stats.stdout_text()).unwrap();
    assert_eq!((&stats["ledger"]["remainder"], &stats["ledger"]["read"]), (&json!(0), &json!(10)), "{stats}");
    log.delete_offsets("p", &AtomicBool::new(false)).unwrap();
    f.args("run p.yaml --until-end").fails_with(1);
    f.args("run p.yaml --until-end --from recorded").succeeds();
    assert_eq!(total_end(&log, "out"), Some(10));
}

#[test]
fn a_run_starts_at_a_time_or_at_positions_and_discards_the_state() {
    let (f, log) = with_source(COUNTING);
    for time in [1_000, 2_000, 3_000, 4_000] {
        let records = pack(&[Record::json(None, &json!({ "n": time }), time)]);
        (0..2).for_each(|partition| append(&log, "raw", partition, records.clone()));
    }
    f.args("run p.yaml --until-end").succeeds();
    assert_eq!((greatest_count(&log), total_end(&log, "out")), (4, Some(8)));
    f.args("run p.yaml --until-end --from 1970-01-01T00:00:03Z").succeeds();
    assert_eq!(total_end(&log, "out"), Some(8 + 4));
    f.args("run p.yaml --until-end --from 1970-01-01").succeeds();
    assert_eq!((greatest_count(&log), total_end(&log, "out")), (4, Some(12 + 8)), "the count begins anew each time");
    f.file("at.json", r#"{"raw": {"1": 3}}"#).file("wrong.yaml", "raw:\n  0: 5\n  7: 0\nrow: {0: 1}\n");
    f.args("run p.yaml --until-end --from at.json").succeeds();
    assert_eq!((greatest_count(&log), total_end(&log, "out")), (4, Some(20 + 4 + 1)));
    let refused = f.args("run p.yaml --until-end --from wrong.yaml").fails_with(2);
    for part in [
        "wrong.yaml:2:6",
        "`raw/0` has records from offset 0 to 4, and none at 5",
        "wrong.yaml:3:6",
        "`raw` has 2 partitions, and none is numbered 7",
        "wrong.yaml:4:1",
        "the pipeline reads no topic `row`",
        "did you mean `raw`?",
    ] {
        assert!(refused.stderr_text().contains(part), "{part} in {}", refused.stderr_text());
    }
    f.args("run p.yaml --from 57").fails_with(2);
    f.args("run p.yaml --from missing.yaml").fails_with(2);
    assert_eq!(total_end(&log, "out"), Some(25), "a mistake discards nothing");
}
