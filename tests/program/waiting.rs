//! Runs that wait at the start, and several pipelines in one process.

use crate::harness::program::Fastdata;
use crate::harness::topics::total_end;
use crate::harness::wait::until;
use fastdata::log::embedded::EmbeddedLog;

const PIPELINE: &str =
    "name: p\nsource: {topic: raw, schema: {id: bigint}}\nsteps: [{filter: id >= 0}]\nsink: {topic: out}\n";

#[test]
fn a_run_waits_for_its_topic_if_it_is_told_to() {
    let f = Fastdata::in_temp();
    f.file("p.yaml", PIPELINE);
    f.args("topics create other").succeeds();
    let mut run = f.start("run p.yaml --until-end --wait");
    until("that it waits", || (run.next_stderr_line() == "waiting for the topic `raw`").then_some(()));
    f.args("seed --topic raw --from -").stdin("{\"id\": 1}\n").succeeds();
    assert_eq!(run.wait().code(), Some(0));
    f.args("tail --topic out --until-end --output raw").succeeds().stdout("{\"id\":1}\n");
}

#[test]
fn a_wait_with_a_limit_ends_with_what_is_missing() {
    let f = Fastdata::in_temp();
    f.file("p.yaml", PIPELINE);
    f.args("topics create other").succeeds();
    let ended = f.args("run p.yaml --wait=50ms").fails_with(1);
    let expected = "waiting for the topic `raw`\nerror: topic `raw` does not exist";
    assert!(ended.stderr_text().starts_with(expected), "{}", ended.stderr_text());
}

#[test]
fn a_pipeline_that_fails_leaves_the_others_running() {
    const RECORDS: i64 = 50_000;
    let f = Fastdata::in_temp();
    f.file("good.yaml", &PIPELINE.replace("name: p", "name: good"));
    let bad = PIPELINE
        .replace("name: p", "name: bad")
        .replace("topic: raw", "topic: bad")
        .replace("topic: out", "topic: none");
    f.file("bad.yaml", &format!("{bad}errors: stop\n"));
    let records: String = (0..RECORDS).map(|id| format!("{{\"id\": {id}}}\n")).collect();
    f.args("seed --topic raw --from -").stdin(&records).succeeds();
    f.args("seed --topic bad --from -").stdin("{\"id\": \"x\"}\n").succeeds();
    let ended = f.args("run bad.yaml good.yaml --until-end").fails_with(1);
    let expected = "error: pipeline `bad` has failed: record bad/0/0 could not be handled by `bad`: ";
    assert!(ended.stderr_text().contains(expected), "{}", ended.stderr_text());
    let log = EmbeddedLog::open(&f.log_dir()).unwrap();
    assert_eq!(total_end(&log, "out"), Some(RECORDS));
}
