//! `fastdata validate --online`: what is in the way of a pipeline on its backplane is said at once, and
//! nothing is made or changed.
//!
//! The same words on both backplanes: `kafka::topics` runs it too.

use crate::harness::program::Fastdata;

const SCHEMA: &str = "schema: {id: bigint, kind: string}";

/// Two sources that meet by key, a group by another, a model, and a sink.
fn pipeline(name: &str) -> String {
    format!(
        "name: {name}
sources:
  {name}-orders: {{key: kind, {SCHEMA}}}
  {name}-refunds: {{key: kind, {SCHEMA}}}
steps:
  - name: all
    merge: [{name}-orders, {name}-refunds]
  - name: counted
    scan: {{by: [kind], init: {{n: 0}}, next: {{n: n + 1}}}}
  - name: scored
    score: {{model: {name}, inputs: [n]}}
sink: {{topic: {name}-out}}
"
    )
}

/// From nothing to everything; `flags` names the backplane, `at` is what it is called.
pub fn looks_and_changes_nothing(f: &Fastdata, name: &str, flags: &str, at: &str) {
    let run = |line: &str| f.args(&format!("{line} {flags}"));
    f.file("p.yaml", &pipeline(name));
    let warning = format!(
        "warning: topic `models` has no model that serves `{name}`: records wait for one
  --> p.yaml:11:20
   |
11 |     score: {{model: {name}, inputs: [n]}}
   |                    {}
hint: publish one with `fastdata publish-model FILE --data-type {name}`
",
        "^".repeat(name.len())
    );
    let carets = |of: &str| "^".repeat(of.len());
    let absent = |of: &str, line: usize| {
        let topic = format!("{name}-{of}");
        format!(
            "error: topic `{topic}` does not exist
  --> p.yaml:{line}:3
  |
{line} |   {topic}: {{key: kind, {SCHEMA}}}
  |   {}
hint: ",
            carets(&topic)
        )
    };
    let said = run("validate p.yaml --online").fails_with(2).stdout("");
    let (orders, refunds) = (absent("orders", 3), absent("refunds", 4));
    assert!(said.talk().starts_with(&format!("{warning}{orders}")), "{}", said.talk());
    assert!(said.talk().contains(&format!("\n\n{refunds}")), "{}", said.talk());

    run(&format!("topics create {name}-orders --partitions 2")).succeeds();
    run(&format!("topics create {name}-refunds --partitions 3")).succeeds();
    let unequal = format!(
        "error: the inputs of `counted` do not have the same number of partitions: `{name}-orders` has 2, `{name}-refunds` has 3
  --> p.yaml:9:5
  |
9 |     scan: {{by: [kind], init: {{n: 0}}, next: {{n: n + 1}}}}
  |     ^^^^
hint: make them equal, or put a `key_by` before it
"
    );
    run("validate p.yaml --online").fails_with(2).stdout("").stderr(&format!("{warning}{unequal}"));

    run(&format!("topics delete {name}-refunds --yes")).succeeds();
    run(&format!("topics create {name}-refunds --partitions 2")).succeeds();
    run("validate p.yaml --online").succeeds().stdout("").stderr(&format!("{warning}p.yaml: valid on {at}\n"));

    // What the pipeline keeps for itself was made by something else, and a sink is there already.
    run(&format!("topics create {name}.counted.state --partitions 1 --compacted")).succeeds();
    run(&format!("topics create {name}.progress")).succeeds();
    run(&format!("topics create {name}-out --partitions 7")).succeeds();
    let both = format!(
        "error: topic `{name}.progress` is not compacted: it must keep the latest record of each key
  --> p.yaml:1:7
  |
1 | name: {name}
  |       {}
hint: delete it, or rename the pipeline

error: topic `{name}.counted.state`, which holds the state of `counted`, has 1 partitions where 2 are needed, as many as what is read has
  --> p.yaml:9:5
  |
9 |     scan: {{by: [kind], init: {{n: 0}}, next: {{n: n + 1}}}}
  |     ^^^^
hint: start over with `--from earliest`, which makes it anew
",
        carets(name)
    );
    // Others may be at work on the same backplane, and columns are as wide as the widest of all topics.
    let own = || -> Vec<String> {
        let listed = run("topics list").succeeds();
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        listed.data().lines().filter(|l| l.starts_with(name)).map(words).collect()
    };
    let before = own();
    run("validate p.yaml --online").fails_with(2).stdout("").stderr(&format!("{warning}{both}"));
    assert_eq!(own(), before, "a look has changed topics");
}

#[test]
fn on_the_embedded_log() {
    let f = Fastdata::in_temp();
    f.file("p.yaml", &pipeline("shop"));
    f.args("validate p.yaml --online").fails_with(1).stdout("").stderr(
        "error: there is no log at `.fastdata/fastdata.db`; fill one with `fastdata seed --topic T`, or name its \
         folder with `--data-dir`\n",
    );
    assert!(!f.log_dir().exists(), "a look has made a log");
    f.args("topics create other").succeeds();
    looks_and_changes_nothing(&f, "shop", "", ".fastdata");
}

#[test]
fn a_model_that_is_there_is_found() {
    let f = Fastdata::in_temp();
    let wine = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/wine/wine.pb");
    let names = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/wine/pipeline.yaml");
    f.args("topics create raw").succeeds();
    f.args(&format!("publish-model {wine}")).succeeds();
    f.args(&format!("validate {names} --online")).succeeds().stderr(&format!("{names}: valid on .fastdata\n"));
}
