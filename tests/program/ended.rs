//! What `stats` says of runs: why they ended, which instance is which, and one that has not begun.

use crate::harness::program::Fastdata;
use crate::harness::wait::until;
use serde_json::Value;
use std::io::{BufRead as _, BufReader};

const PIPELINE: &str =
    "name: p\nsource: {topic: raw, schema: {id: bigint}}\nsteps: [{filter: id > 0}]\nsink: {topic: out}\n";

fn with_records(pipeline: &str) -> Fastdata {
    let f = Fastdata::in_temp();
    f.file("p.yaml", pipeline);
    f.args("seed --topic raw --from -").stdin("{\"id\": 1}\n{\"id\": 2}\n{\"id\": \"x\"}\n").succeeds();
    f
}

fn stats(f: &Fastdata) -> Value {
    serde_json::from_str(f.args("stats p --output json").succeeds().stdout_text()).unwrap()
}

fn state_and_end(f: &Fastdata) -> (String, String) {
    let stats = stats(f);
    let text = |field: &str| stats[field].as_str().unwrap_or_default().to_owned();
    (text("state"), text("ended"))
}

#[test]
fn why_a_run_ended_is_kept() {
    let f = with_records(PIPELINE);
    f.args("run p.yaml --until-end").succeeds();
    assert_eq!(state_and_end(&f), ("stopped".into(), "reached the end".into()));
    f.args("seed --topic raw --from -").stdin("{\"id\": 3}\n").succeeds();
    let mut run = f.start("run p.yaml");
    until("the record of this run", || (stats(&f)["state"] == "running").then_some(()));
    run.signal("TERM");
    assert_eq!(run.wait().code(), Some(0));
    assert_eq!(state_and_end(&f), ("stopped".into(), "stopped".into()));
    let text = f.args("stats p").succeeds();
    let heading = text.stdout_text().lines().next().unwrap();
    assert!(heading.starts_with("p  ended ") && heading.contains(" ago, stopped, "), "{heading}");
}

#[test]
fn a_run_that_failed_says_why() {
    let f = with_records(&format!("{PIPELINE}errors: stop\n"));
    let failed = f.args("run p.yaml").fails_with(1);
    let reason = failed.stderr_text().lines().find_map(|line| line.strip_prefix("error: ")).unwrap();
    let (state, ended) = state_and_end(&f);
    assert_eq!(state, "stopped");
    assert!(ended.starts_with(&format!("failed: {reason}")), "{ended}\n{reason}");
}

/// It commits nothing: there is no model.
#[test]
fn a_run_that_ended_while_it_waited_says_so() {
    let f = with_records(
        "name: p\nsource: {topic: raw, schema: {id: bigint}}\nsteps: [{score: {model: m, inputs: [id], outputs: {y: prediction}}}]\nsink: {topic: out}\n",
    );
    let mut run = f.start("run p.yaml");
    until("the wait for a model", || run.next_stderr_line().contains("waiting for a model").then_some(()));
    run.signal("TERM");
    assert_eq!(run.wait().code(), Some(0));
    let ended = "stopped while it waited for a model that serves `m`";
    assert_eq!(state_and_end(&f), ("stopped".into(), ended.into()));
}

/// The latency of a commit is known after it, and the run has no later one.
#[test]
fn a_run_of_one_commit_has_a_latency() {
    let f = with_records(PIPELINE);
    f.args("run p.yaml --until-end").succeeds();
    assert_eq!(stats(&f)["latency"]["count"], 1);
    let text = f.args("stats p").succeeds();
    let latency = "latency of a batch, from read to commit: p50 ";
    assert!(text.stdout_text().contains(latency), "{}", text.stdout_text());
}

#[test]
fn an_instance_with_a_name_keeps_its_line() {
    let f = with_records(PIPELINE);
    for _ in 0..2 {
        f.args("run p.yaml --until-end --instance-name one").succeeds();
    }
    let stats = stats(&f);
    let names: Vec<&str> = stats["instances"].as_array().unwrap().iter().map(|i| i["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["one"]);
    f.args("run p.yaml --until-end --instance-name \u{1b}").fails_with(2);
}

#[test]
fn following_a_pipeline_that_has_not_begun_waits_for_it() {
    let f = with_records(PIPELINE);
    let mut follow = f.start("stats p --follow --output json");
    until("that it waits", || {
        (follow.next_stderr_line() == "waiting for `p`, which has not run here yet").then_some(())
    });
    f.args("run p.yaml --until-end").succeeds();
    let mut line = String::new();
    BufReader::new(follow.child().stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("{\"pipeline\":\"p\","), "{line}");
    follow.signal("TERM");
    assert_eq!(follow.wait().code(), Some(0));
    f.args("stats q").fails_with(2);
}
