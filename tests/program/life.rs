//! What a run logs of its life: one line for each turn of it, in order, and nothing else.

use crate::harness::program::Fastdata;
use crate::harness::topics::total_end;
use crate::harness::wait::until;
use fastdata::log::embedded::EmbeddedLog;
use serde_json::Value;

const PIPELINE: &str = "name: p
source: {topic: raw, schema: {id: bigint, alcohol: double}}
steps:
  - score:
      model: wine
      inputs: [alcohol, alcohol, alcohol, alcohol, alcohol, alcohol, alcohol, alcohol, alcohol, alcohol, alcohol]
      outputs: {best: prediction}
  - {name: counted, scan: {by: [id], init: {c: 0}, next: {c: c + 1}}}
sink: out
";

const RECORDS: &str = "{\"id\": 1, \"alcohol\": 9.5}\n{\"id\": 2, \"alcohol\": 11}\n";

fn publish(f: &Fastdata, model: &str) {
    let model = format!("{}/{model}", env!("CARGO_MANIFEST_DIR"));
    f.args(&format!("publish-model {model} --name wine --data-type wine")).succeeds();
}

/// The messages of log lines in text, each after its level.
fn logged(stderr: &str) -> Vec<String> {
    let message = |line: &str| {
        let level = [" INFO ", " WARN ", " ERROR "].into_iter().find(|level| line.contains(level))?;
        Some(line.split_once(level)?.1.to_owned())
    };
    stderr.lines().filter_map(message).collect()
}

/// Up to where a line is the same in every run.
fn beginnings(lines: &[String]) -> Vec<&str> {
    let begins =
        |line: &str| line.find(" in ").filter(|_| line.starts_with("restored ")).or(line.find(" was rejected:"));
    lines.iter().map(|line| &line[..begins(line).unwrap_or(line.len())]).collect()
}

#[test]
fn a_life_is_logged_in_one_line_each() {
    let f = Fastdata::in_temp();
    f.file("p.yaml", PIPELINE);
    f.args("seed --topic raw --from -").stdin(RECORDS).succeeds();
    publish(&f, "examples/wine/wine.pb");
    let mut run = f.start("run p.yaml --instance-name one");
    let log = EmbeddedLog::open(&f.log_dir()).unwrap();
    until("the results", || (total_end(&log, "out")? == 2).then_some(()));
    let mut said = Vec::new();
    let models = ["examples/models/wine.onnx", "tests/cases/score/models/1-largest.onnx"];
    for (model, answer) in models.into_iter().zip([" instead of ", " was rejected"]) {
        publish(&f, model);
        until("the line about the model", || {
            said.push(run.next_stderr_line());
            said.last()?.contains(answer).then_some(())
        });
    }
    run.signal("TERM");
    assert_eq!(run.wait().code(), Some(0));
    said.extend(run.stderr_text().lines().map(str::to_owned));
    let start = format!("`p` starts on .fastdata: fastdata {}, instance `one` of group `p`", env!("CARGO_PKG_VERSION"));
    assert_eq!(
        beginnings(&logged(&said.join("\n"))),
        [
            &*start,
            "model wine@0 serves `wine`",
            "`p` has 2 of 2 tasks: 0/0, 1/0",
            "model wine@1 serves `wine` instead of wine@0",
            "model wine@2",
            "`p` has ended: stopped",
        ]
    );

    // Where stderr is read by a program, a bounded run logs the same.
    let again = f.args("run p.yaml --until-end --instance-name one --log-format json").succeeds();
    let events = again.stderr_text().lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let messages: Vec<String> = events.map(|e| e["fields"]["message"].as_str().unwrap().to_owned()).collect();
    assert_eq!(
        beginnings(&messages),
        [
            &*start,
            "model wine@0 serves `wine`",
            "model wine@1 serves `wine` instead of wine@0",
            "model wine@2",
            "`p` has 2 of 2 tasks: 0/0, 1/0",
            "restored 2 tasks",
            "`p` has ended: reached the end",
            "summary",
        ]
    );
    // For a person, the summary of a bounded run says it.
    let text = f.args("run p.yaml --until-end").succeeds();
    assert!(!text.stderr_text().contains("starts on") && !text.stderr_text().contains("has ended"));

    f.args("seed --topic raw --from -").stdin(RECORDS).succeeds();
    let mut run = f.start("run p.yaml --quiet");
    until("the results", || (total_end(&log, "out")? == 4).then_some(()));
    run.signal("TERM");
    assert_eq!(run.wait().code(), Some(0));
    assert_eq!(run.stderr_text(), "");
}
