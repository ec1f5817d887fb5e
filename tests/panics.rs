//! A panic in any thread of a run ends the run soon, with an error that names the part. No thread waits for ever for
//! the one that panicked.
//!
//! Tasks that panic are in [`crate::injected_faults`].

use crate::harness::panicking_log::{PANIC_MESSAGE, PanicIn, PanickingLog};
use crate::harness::run::{Run, Setup, run_to_end};
use crate::harness::scenario::{FIXED_NOW_MS, plan};
use crate::harness::topics::{append, temp_log, topic_config};
use crate::injected_faults::{scoring_pipeline, single_record};
use fastdata::log::Log as _;
use fastdata::log::embedded::EmbeddedLog;
use fastdata::plan::Physical;
use fastdata::record::RecordsBuilder;
use fastdata::runtime::{CancelReason, MODELS_TOPIC};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Longest time from a panic to the end of the run. The README states it.
pub const END_TIMEOUT: Duration = Duration::from_secs(5);

/// A fold whose key is that of the records, so that it has state and no repartition.
pub const COUNTS: &str = "name: p
source: {topic: in, key: a, schema: {a: string, b: string}}
steps:
  - {name: counted, scan: {by: [a], init: {c: 0}, next: {c: c + 1}}}
sink: out
";

/// A fold behind a repartition.
const REPARTITIONED_COUNTS: &str = "name: p
source: {topic: in, key: a, schema: {a: string, b: string}}
commit_every: 1ms
steps:
  - {name: counted, scan: {by: [b], init: {c: 0}, next: {c: c + 1}}}
sink: out
";

const CHANGELOG: &str = "p.counted.state";

/// The counts, with two partitions of which each has a record, and a log.
fn counts() -> (Arc<Physical>, Arc<EmbeddedLog>, TempDir) {
    let (log, dir) = temp_log();
    log.create_topic("in", &topic_config(2)).unwrap();
    for partition in 0..2 {
        let mut records = RecordsBuilder::default();
        records.push(Some(b"x"), Some(br#"{"a": "x", "b": "y"}"#), FIXED_NOW_MS);
        append(&*log, "in", partition, records.finish());
    }
    (plan(COUNTS, Path::new(".")), log, dir)
}

/// The counts with a standby copy of each changelog.
fn counts_with_standby() -> (Arc<Physical>, Arc<EmbeddedLog>, TempDir) {
    let (plan, log, dir) = counts();
    let standby = Physical { standby: 1, ..Arc::into_inner(plan).unwrap() };
    (Arc::new(standby), log, dir)
}

/// The counts after a run that has left changelogs.
fn counted() -> (Arc<Physical>, Arc<EmbeddedLog>, TempDir) {
    let (plan, log, dir) = counts();
    run_to_end(plan.clone(), log.clone());
    (plan, log, dir)
}

/// Asserts that a run ends in time because this part has panicked.
pub fn assert_panicked(run: Run, part: &str) {
    let start = Instant::now();
    while !run.thread.is_finished() {
        assert!(start.elapsed() < END_TIMEOUT, "the run has not ended after {END_TIMEOUT:?}");
        std::thread::park_timeout(Duration::from_millis(1));
    }
    let fault = run.thread.join().unwrap().expect_err("the panic ends the run with an error");
    assert_eq!(fault.to_string(), format!("internal error: {part} has panicked: {PANIC_MESSAGE}"));
}

fn start(plan: Arc<Physical>, log: PanickingLog) -> Run {
    Setup::new(plan, Arc::new(log)).start()
}

#[test]
fn a_panic_while_state_is_restored_ends_the_run() {
    for partition in 0..2 {
        let (plan, log, _dir) = counted();
        // The reader of the other partition never reaches its end.
        let log = PanickingLog { topic: CHANGELOG.into(), ..PanickingLog::new(log, PanicIn::ReaderOf(partition)) };
        assert_panicked(start(plan, log), "the restoring of state");
    }
}

#[test]
fn a_panic_while_the_progress_of_a_restore_is_recorded_ends_the_run() {
    let (plan, log, _dir) = counted();
    let log = PanickingLog { topic: CHANGELOG.into(), ..PanickingLog::new(log, PanicIn::Append) };
    assert_panicked(start(plan, log), "the recording of the restore");
}

#[test]
fn a_panic_of_the_group_while_tasks_are_rebuilt_ends_the_run() {
    let (plan, log, _dir) = counted();
    let log = PanickingLog { topic: CHANGELOG.into(), ..PanickingLog::new(log, PanicIn::MemberPoll(2)) };
    assert_panicked(start(plan, log), "the polling of the group");
}

#[test]
fn a_panic_of_the_group_before_partitions_are_assigned_ends_the_run() {
    let (standby, log, _dir) = counts_with_standby();
    assert_panicked(start(standby, PanickingLog::new(log, PanicIn::MemberPoll(1))), "the polling of the group");
    let (scoring, _, log, _dir) = scoring_pipeline();
    assert_panicked(start(scoring, PanickingLog::new(log, PanicIn::MemberPoll(1))), "the polling of the group");
}

#[test]
fn a_panic_of_the_intake_ends_the_run() {
    let (plan, log, _dir) = counts();
    assert_panicked(start(plan, PanickingLog::new(log, PanicIn::MemberRecords)), "the intake");
    let (scoring, _, log, _dir) = scoring_pipeline();
    assert_panicked(start(scoring, PanickingLog::new(log, PanicIn::MemberRecords)), "the intake");
}

#[test]
fn a_panic_of_the_commit_loop_ends_the_run() {
    for until_end in [false, true] {
        let (plan, log, _dir) = counts();
        let log = Arc::new(PanickingLog::new(log, PanicIn::Commit));
        assert_panicked(Setup { until_end, ..Setup::new(plan, log) }.start(), "the commit loop");
    }
}

#[test]
fn a_panic_of_the_models_feed_ends_the_run() {
    let (plan, _, log, _dir) = scoring_pipeline();
    let log = PanickingLog { topic: MODELS_TOPIC.into(), ..PanickingLog::new(log, PanicIn::ReaderOf(0)) };
    // The task waits for its first model.
    assert_panicked(start(plan, log), "the models feed");
}

#[test]
fn a_panic_while_the_first_models_are_read_ends_the_run() {
    let (plan, models, log, _dir) = scoring_pipeline();
    append(&*log, MODELS_TOPIC, 0, single_record(&models[0]));
    let log = PanickingLog { topic: MODELS_TOPIC.into(), ..PanickingLog::new(log, PanicIn::ReaderOf(0)) };
    assert_panicked(start(plan, log), "the models feed");
}

#[test]
fn a_panic_of_the_standby_thread_ends_the_run() {
    // Beside a partition of its own, and without one.
    for assigned_below in [1, 0] {
        let (plan, log, _dir) = counts_with_standby();
        let log =
            PanickingLog { topic: CHANGELOG.into(), assigned_below, ..PanickingLog::new(log, PanicIn::ReaderOf(1)) };
        assert_panicked(start(plan, log), "the standby thread");
    }
}

#[test]
fn a_panic_while_processed_records_are_removed_ends_the_run() {
    let (_, log, _dir) = counts();
    let plan = plan(REPARTITIONED_COUNTS, Path::new("."));
    assert_panicked(start(plan, PanickingLog::new(log, PanicIn::DeleteRecords)), "the trimming of repartition topics");
}

#[test]
fn a_panic_while_the_end_of_an_idle_instance_is_recorded_is_an_error() {
    let (plan, log, _dir) = counts();
    let log = Arc::new(PanickingLog { assigned_below: 0, ..PanickingLog::new(log, PanicIn::Append) });
    let run = Setup::new(plan, log.clone()).start();
    log.await_polls();
    run.stop.cancel(CancelReason::Stop);
    assert_panicked(run, "the recording of the end");
}

/// Through the binary, which must be built with the feature `failpoints`.
#[cfg(feature = "failpoints")]
#[test]
fn a_panic_at_a_fail_point_ends_the_program_with_exit_code_1() {
    use crate::harness::program::Fastdata;

    for (point, part) in
        [("AfterPoll", "the intake"), ("MidWindow", "task 0/0"), ("DuringRestore", "the restoring of state")]
    {
        let program = Fastdata::in_temp();
        program.file("p.yaml", COUNTS);
        let log = EmbeddedLog::open(&program.log_dir()).unwrap();
        log.create_topic("in", &topic_config(1)).unwrap();
        let mut records = RecordsBuilder::default();
        records.push(Some(b"x"), Some(br#"{"a": "x", "b": "y"}"#), FIXED_NOW_MS);
        append(&log, "in", 0, records.finish());
        drop(log);
        let env = [("FASTDATA_PANIC", format!("{point}:1"))];
        let mut run = program.start_with_log("run p.yaml", "stderr", &env);
        let stderr = || std::fs::read_to_string(program.dir().join("stderr")).unwrap();
        crate::harness::wait::until("the panic", || stderr().contains("a test asks for a panic").then_some(()));
        let start = Instant::now();
        let (status, stderr) = (run.wait(), stderr());
        assert_eq!(status.code(), Some(1), "{stderr}");
        let error = format!("error: internal error: {part} has panicked: a test asks for a panic at {point}");
        assert!(stderr.contains(&error), "{point}: {stderr}");
        assert!(start.elapsed() < END_TIMEOUT, "{point}: the program has run for {:?}", start.elapsed());
    }
}

/// The panic of a thread and the error that ends the program are an object each.
#[cfg(feature = "failpoints")]
#[test]
fn a_panic_is_json_where_stderr_is() {
    use crate::harness::program::Fastdata;

    let program = Fastdata::in_temp();
    program.file("p.yaml", COUNTS).file("in.jsonl", "{\"a\": \"x\", \"b\": \"y\"}\n");
    program.args("seed --topic in --from in.jsonl").succeeds();
    let run = program.args("run p.yaml --log-format json").env("FASTDATA_PANIC", "MidWindow:1").fails_with(1);
    let object =
        |line: &str| -> serde_json::Value { serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")) };
    let objects: Vec<serde_json::Value> = run.stderr_text().lines().map(object).collect();
    let messages: Vec<&str> =
        objects.iter().filter(|o| o["level"] == "ERROR").map(|o| o["fields"]["message"].as_str().unwrap()).collect();
    assert_eq!(
        messages,
        [
            "panic: a test asks for a panic at MidWindow",
            "internal error: task 0/0 has panicked: a test asks for a panic at MidWindow",
        ]
    );
    let panic = objects.iter().find(|o| o["fields"]["thread"].is_string()).unwrap();
    assert!(panic["fields"]["place"].as_str().unwrap().contains("src/faults.rs"), "{panic}");
}

/// The program copies so many bytes that a checkpoint of the write-ahead log starts, and panics in it.
#[cfg(feature = "failpoints")]
#[test]
fn a_panic_of_the_checkpoints_ends_an_idle_program_with_exit_code_1() {
    use crate::harness::program::Fastdata;

    let program = Fastdata::in_temp();
    program
        .file("p.yaml", "name: p\nsource: {topic: in, schema: {a: string}}\nsteps:\n  - filter: a <> 'x'\nsink: out\n");
    let log = EmbeddedLog::open(&program.log_dir()).unwrap();
    log.create_topic("in", &topic_config(1)).unwrap();
    let value = format!(r#"{{"a": "{}"}}"#, "y".repeat(1 << 20));
    for _ in 0..40 {
        let mut records = RecordsBuilder::default();
        records.push(None, Some(value.as_bytes()), FIXED_NOW_MS);
        append(&log, "in", 0, records.finish());
    }
    drop(log);
    let env = [("FASTDATA_PANIC", "AtCheckpoint:1".to_owned())];
    let mut run = program.start_with_log("run p.yaml", "stderr", &env);
    let stderr = || std::fs::read_to_string(program.dir().join("stderr")).unwrap();
    crate::harness::wait::until("the panic", || stderr().contains("a test asks for a panic").then_some(()));
    let start = Instant::now();
    let status = run.wait();
    assert!(start.elapsed() < END_TIMEOUT, "the program has run for {:?}", start.elapsed());
    assert_eq!(status.code(), Some(1), "{}", stderr());
    let error =
        "error: internal error: the checkpoints of the log have panicked: a test asks for a panic at AtCheckpoint";
    assert!(stderr().contains(error), "{}", stderr());
}
